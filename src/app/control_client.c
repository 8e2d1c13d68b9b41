/* control_client.c - a socket, one request, llhttp for the answer. */
#include "app/control_client.h"
#include <errno.h>
#include <llhttp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { HEAD_BYTES = 16 << 10, PIECE_BYTES = 64 << 10, ANSWER_TIMEOUT_S = 60 };

struct answer {
    llhttp_t parser;
    control_piece *piece;
    void *owner;
    bool complete, stopped;
};

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct answer *answer = parser->data;
    if (!answer->piece(answer->owner, parser->status_code, str_make(at, len))) {
        answer->stopped = true;
        return HPE_PAUSED;
    }
    return HPE_OK;
}

static int on_complete(llhttp_t *parser)
{
    struct answer *answer = parser->data;
    answer->complete = true;
    return HPE_OK;
}

static int connect_to(const char *data_dir, struct fault *fault)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int const len = snprintf(address.sun_path, sizeof address.sun_path, "%s/cota.sock", data_dir);
    if (len < 0 || (size_t)len >= sizeof address.sun_path) {
        fault_set(fault, ERR_UPSTREAM_UNREACHABLE, "the path is too long: %s/cota.sock", data_dir);
        return -1;
    }
    int const file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval const patience = {.tv_sec = ANSWER_TIMEOUT_S};
    if (file >= 0 && connect(file, (const struct sockaddr *)&address, sizeof address) == 0 &&
        setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0)
        return file;
    fault_set(fault, ERR_UPSTREAM_UNREACHABLE, "no daemon answers at %s: %s", address.sun_path,
              strerror(errno));
    if (file >= 0)
        close(file);
    return -1;
}

static bool send_all(int file, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t const sent = send(file, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes = str_skip(bytes, (size_t)sent);
    }
    return true;
}

static enum err send_request(int file, const struct control_request *request)
{
    struct buf head;
    buf_init(&head, HEAD_BYTES);
    enum err err = buf_printf(&head,
                              "%s %.*s HTTP/1.1\r\nHost: cota\r\nConnection: close\r\n"
                              "Content-Length: %zu\r\n%s%.*s\r\n",
                              request->method, STR_ARG(request->path), request->body.len,
                              request->body.len ? "Content-Type: application/json\r\n" : "",
                              STR_ARG(request->headers));
    if (err == ERR_OK && (!send_all(file, buf_view(&head)) || !send_all(file, request->body)))
        err = ERR_UPSTREAM_CUT;
    buf_free(&head);
    return err;
}

static enum err read_answer(int file, struct answer *answer)
{
    char bytes[PIECE_BYTES];
    while (!answer->complete && !answer->stopped) {
        ssize_t const got = recv(file, bytes, sizeof bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_UPSTREAM_CUT;
        enum llhttp_errno const parsed = got > 0
                                             ? llhttp_execute(&answer->parser, bytes, (size_t)got)
                                             : llhttp_finish(&answer->parser);
        if (!answer->stopped && ((parsed != HPE_OK && !answer->complete) || got == 0))
            break;
    }
    return answer->complete || answer->stopped ? ERR_OK : ERR_UPSTREAM_CUT;
}

enum err control_call(const struct control_request *request, control_piece *piece, void *owner,
                      int *status, struct fault *fault)
{
    struct answer answer = {.piece = piece, .owner = owner};
    llhttp_settings_t settings;
    llhttp_settings_init(&settings);
    settings.on_body = on_body;
    settings.on_message_complete = on_complete;
    llhttp_init(&answer.parser, HTTP_RESPONSE, &settings);
    answer.parser.data = &answer;
    int const file = connect_to(request->data_dir, fault);
    if (file < 0)
        return ERR_UPSTREAM_UNREACHABLE;
    enum err err = send_request(file, request);
    if (err == ERR_OK)
        err = read_answer(file, &answer);
    if (err != ERR_OK)
        err = fault_set(fault, err, "the daemon's answer broke off");
    *status = answer.parser.status_code;
    close(file);
    return err;
}

enum err control_encode(struct buf *out, struct str text)
{
    enum err err = ERR_OK;
    for (size_t i = 0; i < text.len && err == ERR_OK; i++) {
        char const byte = text.ptr[i];
        bool const plain = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
                           (byte >= '0' && byte <= '9') || memchr("-._~:@", byte, 6) != NULL;
        err = plain ? buf_add_byte(out, byte) : buf_printf(out, "%%%02X", (unsigned char)byte);
    }
    return err;
}
