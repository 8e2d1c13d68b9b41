/* gather.c - see gather.h. */
#include "net/gather.h"
#include "net/loop_int.h"
#include <errno.h>
#include <sys/socket.h>

/* send() spares the detour over files that writev() takes. Nothing is queued with libuv: a stream
 * with a queue is not gathered. Returns the bytes taken, or a libuv error. */
static ssize_t send_now(const struct stream *stream, struct str bytes)
{
    uv_os_fd_t descriptor;
    int const error = uv_fileno(&stream->uv.handle, &descriptor);
    if (error != 0)
        return error;
    ssize_t taken;
    do
        taken = send(descriptor, bytes.ptr, bytes.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (taken < 0 && errno == EINTR);
    if (taken >= 0)
        return taken;
    return errno == EAGAIN || errno == ENOBUFS ? 0 : uv_translate_sys_error(errno);
}

/* A write that fails before its first byte left is told apart: a caller may try it elsewhere. */
static void send_out(struct stream *stream)
{
    struct str const bytes = stream->gathered;
    gather_drop(stream);
    ssize_t const taken = send_now(stream, bytes);
    if (taken < 0)
        stream_end_soon(stream, STREAM_END_UNSENT, uv_strerror((int)taken));
    else if (taken < (ssize_t)bytes.len)
        stream_queue_rest(stream, str_skip(bytes, (size_t)taken));
}

static void send_all(struct soon *soon)
{
    struct gather *gather = LIST_OWNER(soon, struct gather, soon);
    while (!list_empty(&gather->streams))
        send_out(LIST_OWNER(gather->streams.next, struct stream, gather_link));
    gather->used = 0;
}

void gather_init(struct gather *gather)
{
    soon_init(&gather->soon, send_all);
    list_init(&gather->streams);
    gather->used = 0;
}

bool gather_take(struct stream *stream, const struct str *parts, size_t count, size_t bytes)
{
    struct gather *gather = &stream->loop->gather;
    if (stream->gathered.len > 0 || stream->outbox || stream->tls || bytes == 0 ||
        bytes > GATHER_WRITE_BYTES_MAX || bytes > GATHER_BYTES - gather->used) {
        gather_flush(stream);
        return false;
    }
    char *at = gather->bytes + gather->used;
    stream->gathered = str_make(at, bytes);
    gather->used += bytes;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(at, parts[i].ptr, parts[i].len);
        at += parts[i].len;
    }
    list_push(&gather->streams, &stream->gather_link);
    loop_soon(stream->loop, &gather->soon);
    return true;
}

void gather_flush(struct stream *stream)
{
    if (stream->gathered.len > 0)
        send_out(stream);
}

void gather_drop(struct stream *stream)
{
    stream->gathered = (struct str){0};
    list_remove(&stream->gather_link);
}
