/* port.c - asks the kernel whether an address is free, without SO_REUSEPORT. */
#include "app/daemon.h"
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static bool can_bind(const struct addrinfo *address)
{
    int const one = 1;
    int const file = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool const good =
        file >= 0 && setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) == 0 &&
        bind(file, address->ai_addr, address->ai_addrlen) == 0 && listen(file, 1) == 0;
    if (file >= 0)
        close(file);
    return good;
}

bool daemon_port_free(struct str address)
{
    const char *colon = memrchr(address.ptr, ':', address.len);
    if (colon == NULL)
        return false;
    struct str host = str_make(address.ptr, (size_t)(colon - address.ptr));
    struct str const port = str_skip(address, host.len + 1);
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']')
        host = str_make(host.ptr + 1, host.len - 2);
    char name[256], service[8];
    snprintf(name, sizeof name, "%.*s", STR_ARG(host));
    snprintf(service, sizeof service, "%.*s", STR_ARG(port));
    struct addrinfo const hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host.len > 0 ? name : NULL, service, &hints, &found) != 0)
        return true; /* the listener gives the better reason */
    bool const good = can_bind(found);
    freeaddrinfo(found);
    return good;
}
