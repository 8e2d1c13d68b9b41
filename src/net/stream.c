/* stream.c - reading, writing and ending of streams; see dial.c and listener.c for their start. */
#include "net/stream.h"
#include "base/must.h"
#include "net/gather.h"
#include "net/loop_int.h"
#include "net/stream_int.h"
#include <stdlib.h>
#include <sys/socket.h>

/* stream_write keeps the bound; this leaves room for the framing of TLS. */
enum { OUTBOX_BYTES_MAX = STREAM_QUEUE_BYTES_MAX + STREAM_QUEUE_BYTES_MAX / 16 };

static void pump(struct stream *stream);

static bool is_alive(const struct stream *stream)
{
    return stream->phase <= STREAM_OPEN;
}

/* --- the end -------------------------------------------------------------------------------- */

static void tell_end(struct stream *stream, enum stream_end why, const char *detail)
{
    if (stream->phase == STREAM_LINGERING) {
        if (why != STREAM_END_EOF || stream->finished)
            stream_close(stream);
        return;
    }
    if (why != STREAM_END_EOF) {
        stream->phase = STREAM_ENDED;
        stream->end_pending = false;
        uv_read_stop(&stream->uv.stream);
    }
    stream->handler->on_end(stream->owner, why, detail);
}

static void on_soon(struct soon *soon)
{
    struct stream *stream = LIST_OWNER(soon, struct stream, soon);
    if (stream->phase == STREAM_CLOSING)
        return;
    if (stream->end_pending)
        tell_end(stream, stream->end_why, stream->end_detail);
    else if (stream->tls && is_alive(stream))
        pump(stream);
}

void stream_end_soon(struct stream *stream, enum stream_end why, const char *detail)
{
    if (!is_alive(stream))
        return;
    stream->phase = STREAM_ENDED; /* nothing more is read or written */
    stream->end_pending = true;
    stream->end_why = why;
    stream->end_detail = detail;
    uv_read_stop(&stream->uv.stream);
    loop_soon(stream->loop, &stream->soon);
}

static void outbox_free(struct outbox *outbox)
{
    if (!outbox)
        return;
    buf_free(&outbox->sending);
    buf_free(&outbox->waiting);
    free(outbox);
}

void stream_closed(uv_handle_t *handle)
{
    struct stream *stream = handle->data;
    if (dial_holds(stream))
        return;
    dial_free(stream->dial);
    tls_session_free(stream->tls);
    outbox_free(stream->outbox);
    if (stream->listener)
        listener_forget(stream->listener);
    free(stream);
}

void stream_close(struct stream *stream)
{
    if (!stream || stream->phase == STREAM_CLOSING)
        return;
    if (is_alive(stream)) /* what was written counts as sent, as far as the kernel takes it now */
        gather_flush(stream);
    gather_drop(stream);
    stream->phase = STREAM_CLOSING;
    timer_stop(&stream->timer);
    soon_cancel(&stream->soon);
    if (!uv_is_closing(&stream->uv.handle)) /* else dial.c is between two addresses */
        uv_close(&stream->uv.handle, stream_closed);
}

void stream_reset(struct stream *stream)
{
    if (!stream || stream->phase == STREAM_CLOSING)
        return;
    gather_drop(stream);
    uv_os_fd_t descriptor;
    if (!stream->is_local && !uv_is_closing(&stream->uv.handle) &&
        uv_fileno(&stream->uv.handle, &descriptor) == 0) {
        struct linger const now = {.l_onoff = 1, .l_linger = 0};
        setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }
    stream_close(stream);
}

/* --- writing -------------------------------------------------------------------------------- */

static void on_shutdown(uv_shutdown_t *request, int status)
{
    struct stream *stream = request->handle->data;
    if (status == UV_ECANCELED || stream->phase == STREAM_CLOSING)
        return;
    if (stream->phase == STREAM_LINGERING && (stream->eof || stream->raw_eof || status != 0))
        stream_close(stream);
}

static void finish_now(struct stream *stream)
{
    stream->finished = true;
    if (uv_shutdown(&stream->shutdown, &stream->uv.stream, on_shutdown) != 0)
        stream_end_soon(stream, STREAM_END_RESET, "the connection is gone");
}

static void outbox_start(struct stream *stream);

static void on_written(uv_write_t *request, int status)
{
    struct stream *stream = request->handle->data;
    struct outbox *outbox = stream->outbox;
    if (stream->phase == STREAM_CLOSING)
        return; /* stream_closed frees */
    if (status != 0) {
        if (stream->phase == STREAM_LINGERING)
            stream_close(stream);
        else if (stream->phase != STREAM_ENDED)
            tell_end(stream, STREAM_END_RESET, uv_strerror(status));
        return;
    }
    buf_clear(&outbox->sending);
    if (outbox->waiting.len > 0) {
        outbox_start(stream);
        return;
    }
    stream->outbox = NULL;
    outbox_free(outbox);
    if (stream->finishing)
        finish_now(stream);
    if (stream->phase == STREAM_OPEN)
        stream->handler->on_drain(stream->owner);
}

static void outbox_start(struct stream *stream)
{
    struct outbox *outbox = stream->outbox;
    struct buf const empty = outbox->sending;
    outbox->sending = outbox->waiting;
    outbox->waiting = empty;
    uv_buf_t const bytes = uv_buf_init(outbox->sending.ptr, (unsigned)outbox->sending.len);
    if (uv_write(&outbox->request, &stream->uv.stream, &bytes, 1, on_written) != 0) {
        buf_clear(&outbox->sending);
        stream_end_soon(stream, STREAM_END_RESET, "the connection is gone");
    }
}

/* Queues the parts without their first `skip` bytes. */
static enum err outbox_add(struct stream *stream, const struct str *parts, size_t count,
                           size_t skip)
{
    bool const idle = !stream->outbox;
    if (idle) {
        struct outbox *outbox = calloc(1, sizeof *outbox);
        if (!outbox)
            return ERR_NO_MEMORY;
        buf_init(&outbox->sending, OUTBOX_BYTES_MAX);
        buf_init(&outbox->waiting, OUTBOX_BYTES_MAX);
        stream->outbox = outbox;
    }
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && err == ERR_OK; i++) {
        size_t const dropped = skip < parts[i].len ? skip : parts[i].len;
        err = buf_add(&stream->outbox->waiting, str_skip(parts[i], dropped));
        skip -= dropped;
    }
    if (err == ERR_OK && idle)
        outbox_start(stream);
    if (err != ERR_OK && idle) {
        outbox_free(stream->outbox);
        stream->outbox = NULL;
    }
    return err;
}

/* One writev of at most STREAM_IOVEC_MAX parts. Returns the bytes taken or a libuv error; *used is
 * how many parts were offered. */
static ssize_t offer(struct stream *stream, const struct str *parts, size_t count, size_t *used,
                     size_t *offered)
{
    uv_buf_t vector[STREAM_IOVEC_MAX];
    unsigned filled = 0;
    *offered = 0;
    *used = 0;
    while (*used < count && filled < STREAM_IOVEC_MAX) {
        struct str const part = parts[(*used)++];
        if (part.len == 0)
            continue;
        vector[filled].base = (char *)(uintptr_t)part.ptr; /* libuv's type is not const */
        vector[filled++].len = part.len;
        *offered += part.len;
    }
    if (filled == 0)
        return 0;
    return uv_try_write(&stream->uv.stream, vector, filled);
}

static enum err write_failed(struct stream *stream, enum err err, const char *detail)
{
    if (stream->phase == STREAM_LINGERING)
        stream_close(stream);
    else
        stream_end_soon(stream, STREAM_END_RESET, detail);
    return err;
}

static enum err write_raw(struct stream *stream, const struct str *parts, size_t count)
{
    size_t used = 0, offered = 0;
    while (count > 0 && !stream->outbox) {
        ssize_t taken = offer(stream, parts, count, &used, &offered);
        if (taken == UV_EAGAIN)
            taken = 0;
        if (taken < 0)
            return write_failed(stream, ERR_UPSTREAM_CUT, uv_strerror((int)taken));
        if ((size_t)taken < offered) {
            if (outbox_add(stream, parts, count, (size_t)taken) != ERR_OK)
                return write_failed(stream, ERR_NO_MEMORY, "no memory for the queue");
            return ERR_OK;
        }
        parts += used;
        count -= used;
    }
    if (count > 0 && outbox_add(stream, parts, count, 0) != ERR_OK)
        return write_failed(stream, ERR_NO_MEMORY, "no memory for the queue");
    return ERR_OK;
}

void stream_queue_rest(struct stream *stream, struct str bytes)
{
    if (outbox_add(stream, &bytes, 1, 0) != ERR_OK)
        (void)write_failed(stream, ERR_NO_MEMORY, "no memory for the queue");
}

static enum err tls_flush(struct stream *stream)
{
    struct str const bytes = tls_output(stream->tls);
    enum err err = ERR_OK;
    if (bytes.len > 0)
        err = write_raw(stream, &bytes, 1);
    tls_output_sent(stream->tls);
    return err;
}

/* Gathers small parts, so that head and body share a TLS record. */
static enum err write_tls(struct stream *stream, const struct str *parts, size_t count)
{
    char *scratch = stream->loop->scratch;
    size_t filled = 0;
    bool good = true;
    for (size_t i = 0; i < count; i++) {
        struct str rest = parts[i];
        while (rest.len > 0 && good) {
            size_t const room = LOOP_SCRATCH_BYTES - filled;
            size_t const taken = rest.len < room ? rest.len : room;
            memcpy(scratch + filled, rest.ptr, taken);
            filled += taken;
            rest = str_skip(rest, taken);
            if (filled < LOOP_SCRATCH_BYTES)
                continue;
            good = tls_write(stream->tls, str_make(scratch, filled));
            filled = 0;
        }
    }
    if (good && filled > 0)
        good = tls_write(stream->tls, str_make(scratch, filled));
    if (!good)
        return write_failed(stream, ERR_UPSTREAM_CUT, "TLS write failed");
    return tls_flush(stream);
}

enum err stream_write(struct stream *stream, const struct str *parts, size_t count)
{
    MUST(stream->phase >= STREAM_OPEN && stream->phase <= STREAM_ENDED);
    if (stream->phase == STREAM_ENDED || stream->finishing)
        return ERR_UPSTREAM_CUT;
    size_t total = stream_queued(stream);
    for (size_t i = 0; i < count; i++)
        total += parts[i].len;
    if (total > STREAM_QUEUE_BYTES_MAX)
        return ERR_TOO_LARGE;
    if (gather_take(stream, parts, count, total))
        return ERR_OK;
    if (stream->phase == STREAM_ENDED)
        return ERR_UPSTREAM_CUT; /* sending what was gathered before has failed */
    return stream->tls ? write_tls(stream, parts, count) : write_raw(stream, parts, count);
}

size_t stream_queued(const struct stream *stream)
{
    const struct outbox *outbox = stream->outbox;
    if (!outbox)
        return 0;
    return outbox->waiting.len + uv_stream_get_write_queue_size(&stream->uv.stream);
}

void stream_finish(struct stream *stream)
{
    if (stream->finishing || stream->phase != STREAM_OPEN)
        return;
    gather_flush(stream);
    if (stream->phase != STREAM_OPEN)
        return;
    if (stream->tls) {
        tls_shutdown(stream->tls);
        if (tls_flush(stream) != ERR_OK)
            return;
    }
    stream->finishing = true;
    if (!stream->outbox)
        finish_now(stream);
}

/* --- reading -------------------------------------------------------------------------------- */

static void on_room(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
    (void)wanted;
    loop_read_buffer(((struct stream *)handle->data)->loop, buffer);
}

static void shake(struct stream *stream)
{
    enum tls_step const step = tls_handshake(stream->tls);
    if (tls_flush(stream) != ERR_OK) /* our alert goes out, too */
        return;
    if (step == TLS_STEP_FAILED) {
        tell_end(stream, STREAM_END_TLS, tls_error(stream->tls));
    } else if (step == TLS_STEP_DONE) {
        stream->phase = STREAM_OPEN;
        if (!stream->reading)
            uv_read_stop(&stream->uv.stream);
        stream->handler->on_open(stream->owner);
    } else if (stream->raw_eof) {
        tell_end(stream, STREAM_END_TLS, "connection closed during the TLS handshake");
    }
}

/* Hands over what TLS holds, as long as the owner wants it. */
static void pump(struct stream *stream)
{
    if (stream->phase == STREAM_SHAKING)
        shake(stream);
    while (stream->phase == STREAM_OPEN && stream->reading && !stream->eof) {
        size_t count = 0;
        char *bytes = stream->loop->read_bytes;
        enum tls_step const step = tls_read(stream->tls, bytes, LOOP_READ_BYTES, &count);
        if (step == TLS_STEP_DONE) {
            stream->handler->on_data(stream->owner, str_make(bytes, count));
            continue;
        }
        if (tls_flush(stream) != ERR_OK) /* key updates, alerts */
            return;
        if (step == TLS_STEP_CLOSED) {
            stream->eof = true;
            tell_end(stream, STREAM_END_EOF, "closed");
        } else if (step == TLS_STEP_FAILED) {
            tell_end(stream, STREAM_END_TLS, tls_error(stream->tls));
        } else if (stream->raw_eof) {
            tell_end(stream, STREAM_END_RESET, "TLS connection cut without close_notify");
        }
        return;
    }
}

static void on_eof(struct stream *stream)
{
    stream->raw_eof = true;
    if (stream->tls && is_alive(stream)) {
        pump(stream);
    } else {
        stream->eof = true;
        tell_end(stream, STREAM_END_EOF, "closed");
    }
}

static void on_bytes(struct stream *stream, struct str bytes)
{
    if (stream->phase == STREAM_LINGERING) {
        stream->lingered_bytes += bytes.len;
        if (stream->lingered_bytes > LINGER_BYTES_MAX)
            stream_close(stream);
    } else if (!stream->tls) {
        stream->handler->on_data(stream->owner, bytes);
    } else if (tls_input(stream->tls, bytes)) {
        pump(stream);
    } else {
        tell_end(stream, STREAM_END_RESET, "no memory for TLS");
    }
}

static void on_read(uv_stream_t *uv, ssize_t count, const uv_buf_t *buffer)
{
    struct stream *stream = uv->data;
    if (stream->phase >= STREAM_ENDED && stream->phase != STREAM_LINGERING)
        return;
    if (count > 0)
        on_bytes(stream, str_make(buffer->base, (size_t)count));
    else if (count == UV_EOF)
        on_eof(stream);
    else if (count < 0)
        tell_end(stream, STREAM_END_RESET, uv_strerror((int)count));
}

void stream_read_stop(struct stream *stream)
{
    stream->reading = false;
    if (stream->phase == STREAM_OPEN)
        uv_read_stop(&stream->uv.stream);
}

void stream_read_start(struct stream *stream)
{
    stream->reading = true;
    if (stream->phase != STREAM_OPEN || stream->eof)
        return;
    if (!stream->raw_eof && uv_read_start(&stream->uv.stream, on_room, on_read) != 0)
        stream_end_soon(stream, STREAM_END_RESET, "the connection is gone");
    else if (stream->tls)
        loop_soon(stream->loop, &stream->soon);
}

/* --- life ----------------------------------------------------------------------------------- */

static void on_linger_over(struct timer *timer)
{
    stream_close(LIST_OWNER(timer, struct stream, timer));
}

void stream_linger(struct stream *stream, int64_t grace_ms)
{
    stream_finish(stream);
    if (stream->phase != STREAM_OPEN) {
        stream_close(stream);
        return;
    }
    stream->phase = STREAM_LINGERING;
    soon_cancel(&stream->soon);
    timer_start(stream->loop, &stream->timer, grace_ms);
    if (!stream->raw_eof)
        uv_read_start(&stream->uv.stream, on_room, on_read);
}

struct stream *stream_new(struct loop *loop, bool is_local)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    int const result = is_local ? uv_pipe_init(loop_uv(loop), &stream->uv.pipe, 0)
                                : uv_tcp_init(loop_uv(loop), &stream->uv.tcp);
    if (result != 0) {
        free(stream);
        return NULL;
    }
    stream->uv.handle.data = stream;
    stream->loop = loop;
    stream->is_local = is_local;
    stream->reading = true;
    list_init(&stream->gather_link);
    soon_init(&stream->soon, on_soon);
    timer_init(&stream->timer, on_linger_over);
    return stream;
}

void stream_begin(struct stream *stream)
{
    MUST(stream->handler);
    if (!stream->is_local) {
        uv_tcp_nodelay(&stream->uv.tcp, 1);
        uv_tcp_keepalive(&stream->uv.tcp, 1, TCP_KEEPALIVE_S);
    }
    if ((stream->tls || stream->reading) &&
        uv_read_start(&stream->uv.stream, on_room, on_read) != 0) {
        stream_end_soon(stream, STREAM_END_RESET, "the connection is gone");
        return;
    }
    stream->phase = stream->tls ? STREAM_SHAKING : STREAM_OPEN;
    if (stream->tls)
        shake(stream);
    else
        stream->handler->on_open(stream->owner);
}

void stream_own(struct stream *stream, const struct stream_handler *handler, void *owner)
{
    stream->handler = handler;
    stream->owner = owner;
}

bool stream_is_local(const struct stream *stream)
{
    return stream->is_local;
}

struct str stream_peer(const struct stream *stream)
{
    return str_of(stream->peer);
}
