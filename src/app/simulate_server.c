/* simulate_server.c - listening, and the record of what was served. */
#include "app/simulate_int.h"
#include "base/clock.h"
#include "base/must.h"
#include "codec/json_write.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_BYTES_MAX = 8192, MODEL_BYTES_MAX = 512, BACKLOG = 1024 };

static void on_accept(void *owner, struct stream *stream)
{
    simulate_connection_start(owner, stream);
}

static enum err open_tls(struct simulate_server *server, const struct simulate_options *options,
                         struct fault *fault)
{
    struct tls_server_options tls = {options->tls_cert_file, options->tls_key_file};
    if (options->certificate != SIMULATE_CERTIFICATE_NONE) {
        enum err const err = simulate_files_new(options->certificate, &server->files, fault);
        if (err != ERR_OK)
            return err;
        tls.cert_file = str_of(server->files.cert);
        tls.key_file = str_of(server->files.key);
    }
    if (tls.cert_file.len == 0 && tls.key_file.len == 0)
        return ERR_OK;
    if (tls.cert_file.len == 0 || tls.key_file.len == 0)
        return fault_set(fault, ERR_CONFIG_INVALID, "a certificate needs its key, and the key it");
    return tls_server_new(&tls, &server->tls, fault);
}

static enum err open_served(struct simulate_server *server, struct str path, struct fault *fault)
{
    char name[4096];
    if (path.len == 0)
        return ERR_OK;
    if (path.len >= sizeof name)
        return fault_set(fault, ERR_CONFIG_INVALID, "the path of the served file is too long");
    memcpy(name, path.ptr, path.len);
    name[path.len] = '\0';
    server->served_file = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (server->served_file < 0)
        return fault_set(fault, ERR_CONFIG_INVALID, "%s: %s", name, strerror(errno));
    return ERR_OK;
}

enum err simulate_server_new(struct loop *loop, const struct simulate_options *options,
                             struct simulate_server **made, struct fault *fault)
{
    struct simulate_server *server = calloc(1, sizeof *server);
    if (!server)
        return fault_set(fault, ERR_NO_MEMORY, "no memory for the server");
    server->loop = loop;
    server->served_file = -1;
    list_init(&server->connections);
    buf_init(&server->line, LINE_BYTES_MAX);
    server->facts = (struct sim_facts){
        .seed = options->seed,
        .latency_us = options->latency_ms < 0 ? -1 : options->latency_ms * 1000,
        .tokens_per_second = options->tokens_per_second,
    };
    enum err err = open_tls(server, options, fault);
    if (err == ERR_OK)
        err = open_served(server, options->served_file, fault);
    struct listen_options const listen = {.address = options->listen,
                                          .tls = server->tls,
                                          .backlog = BACKLOG,
                                          .connections_max = SIM_CONNECTIONS_MAX};
    if (err == ERR_OK)
        err = listener_open(loop, &listen, on_accept, server, &server->listener, fault);
    if (err != ERR_OK) {
        simulate_server_free(server);
        return err;
    }
    *made = server;
    return ERR_OK;
}

int simulate_server_port(const struct simulate_server *server)
{
    return listener_port(server->listener);
}

struct str simulate_server_ca_file(const struct simulate_server *server)
{
    return str_of(server->files.ca);
}

void simulate_server_close(struct simulate_server *server)
{
    listener_close(server->listener);
    server->listener = NULL;
    while (!list_empty(&server->connections))
        simulate_connection_abort(server->connections.next);
}

void simulate_server_free(struct simulate_server *server)
{
    if (!server)
        return;
    MUST(!server->listener && list_empty(&server->connections));
    tls_context_free(server->tls);
    simulate_files_remove(&server->files);
    buf_free(&server->line);
    if (server->served_file >= 0)
        close(server->served_file);
    free(server);
}

static struct str cut(struct str text, size_t bytes_max)
{
    return text.len > bytes_max ? str_make(text.ptr, bytes_max) : text;
}

void simulate_server_record(struct simulate_server *server, const struct simulate_record *record)
{
    const struct sim_plan *plan = record->plan;
    if (plan->operation != SIM_CHAT && plan->operation != SIM_EMBEDDINGS)
        return;
    server->requests++;
    server->complete += record->complete;
    server->bytes += record->bytes;
    if (server->served_file < 0)
        return;
    struct json_writer writer;
    buf_clear(&server->line);
    json_write_start(&writer, &server->line);
    json_object_open(&writer);
    json_pair_text(&writer, "id", cut(record->id, REQUEST_ID_BYTES_MAX));
    json_pair_text(&writer, "model", cut(plan->model, MODEL_BYTES_MAX));
    json_pair_bool(&writer, "stream", plan->stream);
    json_pair_i64(&writer, "prompt_tokens", plan->usage.prompt);
    json_pair_i64(&writer, "completion_tokens",
                  record->complete ? plan->usage.completion : record->tokens);
    json_pair_i64(&writer, "cached_tokens", plan->usage.cached);
    json_pair_i64(&writer, "bytes", record->bytes);
    json_pair_bool(&writer, "complete", record->complete);
    json_pair_i64(&writer, "status", record->answered ? plan->status : 0);
    json_pair_i64(&writer, "at_us", clock_wall_us(clock_system()));
    json_object_close(&writer);
    if (json_write_end(&writer) != ERR_OK || buf_add_byte(&server->line, '\n') != ERR_OK)
        return; /* no memory */
    /* One write, so that lines of several processes do not mix. A full disk loses lines; the count
     * of
     * /__served then differs from the file's, which whoever reconciles checks. */
    ssize_t const written = write(server->served_file, server->line.ptr, server->line.len);
    (void)written;
}
