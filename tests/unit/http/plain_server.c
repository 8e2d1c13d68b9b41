/* plain_server.c - the test application as a program: for outside runners and for measuring.
 *
 * Usage: plain_server ADDRESS, e.g. 127.0.0.1:8080. Prints its port, runs until SIGTERM.
 */
#include "test_app.h"
#include <signal.h>
#include <stdio.h>

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    struct loop *loop = signal->data;
    uv_close((uv_handle_t *)signal, NULL);
    loop_stop(loop);
}

int main(int argc, char **argv)
{
    struct loop *loop = loop_new();
    struct fault fault = {0};
    struct http_server *server = NULL;
    struct http_server_options const options = {
        .loop = loop,
        .address = str_of(argc > 1 ? argv[1] : "127.0.0.1:0"),
        .app = &test_app,
    };
    if (!loop || http_server_open(&options, &server, &fault) != ERR_OK) {
        fprintf(stderr, "%s\n", fault.detail);
        return 1;
    }
    printf("%d\n", http_server_port(server));
    fflush(stdout);
    uv_signal_t signal = {.data = loop};
    uv_signal_init(loop_uv(loop), &signal);
    uv_signal_start(&signal, on_signal, SIGTERM);
    uv_unref((uv_handle_t *)&signal);
    while (!uv_is_closing((uv_handle_t *)&signal))
        uv_run(loop_uv(loop), UV_RUN_ONCE);
    http_server_free(server);
    loop_run(loop);
    loop_free(loop);
    return 0;
}
