/* simulate.c - the command: a loop, the server, the signals that end it. */
#include "app/simulate.h"
#include "base/buf.h"
#include "codec/json_write.h"
#include "sim/plan.h"
#include <signal.h>
#include <stdio.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, URL_BYTES_MAX = 256, LINE_BYTES_MAX = 4096 };

void simulate_options_init(struct simulate_options *options)
{
    *options = (struct simulate_options){
        .listen = STR("127.0.0.1:0"), .seed = 1, .latency_ms = -1, .tokens_per_second = -1};
}

struct running {
    struct loop *loop;
    struct simulate_server *server;
    uv_signal_t signals[2];
};

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    struct running *running = signal->data;
    if (!running->server)
        return;
    simulate_server_close(running->server);
    for (size_t i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&running->signals[i], NULL);
    loop_stop(running->loop);
}

static void start_signals(struct running *running)
{
    static int const numbers[] = {SIGTERM, SIGINT};
    for (size_t i = 0; i < 2; i++) {
        running->signals[i].data = running;
        uv_signal_init(loop_uv(running->loop), &running->signals[i]);
        uv_signal_start(&running->signals[i], on_signal, numbers[i]);
    }
}

/* "http://127.0.0.1:9001", with the real port. */
static void url_of(const struct simulate_options *options, const struct simulate_server *server,
                   char *url, size_t size)
{
    bool const tls =
        options->certificate != SIMULATE_CERTIFICATE_NONE || options->tls_cert_file.len > 0;
    struct str host = options->listen;
    while (host.len > 0 && host.ptr[host.len - 1] != ':')
        host.len--;
    host.len -= host.len > 0;
    snprintf(url, size, "%s://%.*s:%d", tls ? "https" : "http", STR_ARG(host),
             simulate_server_port(server));
}

static void print_ready(const struct simulate_options *options,
                        const struct simulate_server *server)
{
    char url[URL_BYTES_MAX];
    url_of(options, server, url, sizeof url);
    if (!options->json) {
        printf("simulated provider at %s/v1 (Ctrl-C ends it)\n", url);
        fflush(stdout);
        return;
    }
    struct buf line;
    struct json_writer writer;
    buf_init(&line, LINE_BYTES_MAX);
    json_write_start(&writer, &line);
    json_object_open(&writer);
    json_pair_text(&writer, "url", str_of(url));
    json_key(&writer, "models");
    json_array_open(&writer);
    for (size_t i = 0; sim_model_at(i); i++)
        json_put_text(&writer, sim_model_at(i)->name);
    json_array_close(&writer);
    if (simulate_server_ca_file(server).len > 0)
        json_pair_text(&writer, "ca_file", simulate_server_ca_file(server));
    json_object_close(&writer);
    if (json_write_end(&writer) == ERR_OK) {
        printf("%.*s\n", STR_ARG(buf_view(&line)));
        fflush(stdout);
    }
    buf_free(&line);
}

int simulate_run(const struct simulate_options *options)
{
    struct fault fault = {0};
    struct running running = {.loop = loop_new()};
    if (!running.loop) {
        fprintf(stderr, "simulate: no memory or descriptors for an event loop\n");
        return EXIT_FAILED;
    }
    enum err const err = simulate_server_new(running.loop, options, &running.server, &fault);
    if (err == ERR_OK) {
        start_signals(&running);
        print_ready(options, running.server);
        loop_run(running.loop);
    } else {
        fprintf(stderr, "simulate: %s\n", fault.detail);
    }
    simulate_server_free(running.server);
    loop_free(running.loop);
    return err == ERR_OK ? EXIT_OK : EXIT_FAILED;
}
