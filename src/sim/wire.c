/* wire.c - status line, headers and framing. */
#include "sim/wire.h"
#include "base/must.h"
#include <stdlib.h>
#include <zlib.h>

enum { HUGE_HEADER_BYTES = 1 << 20, GZIP_WINDOW_BITS = 15 + 16, GZIP_MEMORY = 8 };

static const char *reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {200, "OK"},
        {302, "Found"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {404, "Not Found"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
        {529, "Overloaded"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].status == status)
            return rows[i].text;
    return "Simulated";
}

enum err sim_wire_start(struct sim_wire *wire, const struct sim_plan *plan)
{
    *wire = (struct sim_wire){.plan = plan};
    buf_init(&wire->body, SIM_ANSWER_BYTES_MAX);
    buf_init(&wire->small, SIM_ANSWER_BYTES_MAX);
    if (!plan->gzip)
        return ERR_OK;
    z_stream *deflater = calloc(1, sizeof *deflater);
    if (!deflater || deflateInit2(deflater, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW_BITS,
                                  GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(deflater);
        return ERR_NO_MEMORY;
    }
    wire->deflater = deflater;
    return ERR_OK;
}

void sim_wire_free(struct sim_wire *wire)
{
    if (wire->deflater)
        deflateEnd(wire->deflater);
    free(wire->deflater);
    buf_free(&wire->body);
    buf_free(&wire->small);
    *wire = (struct sim_wire){0};
}

static enum err add_huge_header(struct buf *out)
{
    enum err err = buf_add(out, STR("x-huge: "));
    if (err == ERR_OK)
        err = buf_reserve(out, HUGE_HEADER_BYTES);
    if (err != ERR_OK)
        return err;
    memset(out->ptr + out->len, 'h', HUGE_HEADER_BYTES);
    out->len += HUGE_HEADER_BYTES;
    return buf_add(out, STR("\r\n"));
}

static enum err add_framing(const struct sim_plan *plan, struct buf *out)
{
    long long const bytes = (long long)plan->body_bytes;
    if (plan->head == SIM_HEAD_TWO_LENGTHS)
        return buf_printf(out, "content-length: %lld\r\ncontent-length: %lld\r\n", bytes,
                          bytes + 1);
    if (plan->framing == SIM_FRAMING_LENGTH)
        return buf_printf(out, "content-length: %lld\r\n", bytes);
    if (plan->framing == SIM_FRAMING_CHUNKED)
        return buf_add(out, STR("transfer-encoding: chunked\r\n"));
    return ERR_OK;
}

static enum err add_header(const struct sim_header *header, struct buf *out)
{
    enum err err = buf_add(out, header->name);
    if (err == ERR_OK)
        err = buf_add(out, STR(": "));
    if (err == ERR_OK)
        err = buf_add(out, header->value);
    return err == ERR_OK ? buf_add(out, STR("\r\n")) : err;
}

enum err sim_wire_head(struct sim_wire *wire, bool keep_alive, struct buf *out)
{
    const struct sim_plan *plan = wire->plan;
    enum err err = ERR_OK;
    if (plan->head == SIM_HEAD_NONE)
        return ERR_OK;
    if (plan->interim)
        err = buf_add(out,
                      STR("HTTP/1.1 100 Continue\r\n\r\n"
                          "HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n"));
    if (err == ERR_OK)
        err = buf_printf(out, "HTTP/1.%d %d %s\r\nserver: simulado\r\n", plan->http10 ? 0 : 1,
                         plan->status, reason(plan->status));
    for (size_t i = 0; i < plan->header_count && err == ERR_OK; i++)
        err = add_header(&plan->headers[i], out);
    if (err == ERR_OK && plan->head == SIM_HEAD_HUGE)
        err = add_huge_header(out);
    if (err == ERR_OK)
        err = add_framing(plan, out);
    if (err == ERR_OK && (!keep_alive || plan->framing == SIM_FRAMING_CLOSE))
        err = buf_add(out, STR("connection: close\r\n"));
    return err == ERR_OK ? buf_add(out, STR("\r\n")) : err;
}

static enum err compress_into(struct sim_wire *wire, struct str bytes, int flush)
{
    z_stream *deflater = wire->deflater;
    deflater->next_in = (Bytef *)(void *)(uintptr_t)bytes.ptr; /* zlib reads it only */
    deflater->avail_in = (uInt)bytes.len;
    do {
        enum err const err = buf_reserve(&wire->small, bytes.len / 2 + 256);
        if (err != ERR_OK)
            return err;
        size_t const room = wire->small.cap - wire->small.len;
        deflater->next_out = (Bytef *)wire->small.ptr + wire->small.len;
        deflater->avail_out = (uInt)room;
        int const status = deflate(deflater, flush);
        MUST(status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR);
        wire->small.len += room - deflater->avail_out;
    } while (deflater->avail_out == 0);
    return ERR_OK;
}

static enum err add_framed(const struct sim_plan *plan, struct str bytes, struct buf *out)
{
    if (bytes.len == 0)
        return ERR_OK; /* an empty chunk would be the last one */
    if (plan->framing != SIM_FRAMING_CHUNKED)
        return buf_add(out, bytes);
    enum err err = buf_printf(out, "%zx\r\n", bytes.len);
    if (err == ERR_OK)
        err = buf_add(out, bytes);
    return err == ERR_OK ? buf_add(out, STR("\r\n")) : err;
}

static enum err add_piece(struct sim_wire *wire, int flush, struct buf *out)
{
    if (!wire->deflater)
        return add_framed(wire->plan, buf_view(&wire->body), out);
    buf_clear(&wire->small);
    enum err const err = compress_into(wire, buf_view(&wire->body), flush);
    return err == ERR_OK ? add_framed(wire->plan, buf_view(&wire->small), out) : err;
}

enum err sim_wire_piece(struct sim_wire *wire, size_t index, struct buf *out)
{
    MUST(index < wire->plan->piece_count);
    buf_clear(&wire->body);
    enum err const err = sim_piece_render(wire->plan, index, &wire->body);
    return err == ERR_OK ? add_piece(wire, Z_SYNC_FLUSH, out) : err;
}

/* Nobody asked for it. */
static enum err add_second(struct sim_wire *wire, bool keep_alive, struct buf *out)
{
    enum err err = sim_wire_head(wire, keep_alive, out);
    for (size_t i = 0; i < wire->plan->piece_count && err == ERR_OK; i++)
        err = sim_wire_piece(wire, i, out);
    if (err == ERR_OK && wire->plan->framing == SIM_FRAMING_CHUNKED)
        err = buf_add(out, STR("0\r\n\r\n"));
    return err;
}

enum err sim_wire_tail(struct sim_wire *wire, bool keep_alive, struct buf *out)
{
    const struct sim_plan *plan = wire->plan;
    if (plan->end == SIM_END_BAD_CHUNK)
        return buf_add(out, STR("zz\r\n??\r\n"));
    if (plan->end == SIM_END_SHORT_CHUNK)
        return buf_add(out, STR("ff\r\ndata: {\"cut\":"));
    if (plan->end != SIM_END_WHOLE)
        return ERR_OK;
    enum err err = ERR_OK;
    buf_clear(&wire->body);
    if (wire->deflater)
        err = add_piece(wire, Z_FINISH, out);
    if (err == ERR_OK && plan->framing == SIM_FRAMING_CHUNKED)
        err = buf_add(out, STR("0\r\n\r\n"));
    if (err == ERR_OK && plan->twice && !wire->deflater)
        err = add_second(wire, keep_alive, out);
    return err;
}
