/* notify.c - the protocol of sd_notify(3): a datagram to a Unix socket, maybe an abstract one. */
#include "app/notify.h"
#include "base/str.h"
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void notify(const char *state)
{
    struct str const path = str_of(getenv("NOTIFY_SOCKET"));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path.len < 2 || path.len >= sizeof address.sun_path ||
        (path.ptr[0] != '/' && path.ptr[0] != '@'))
        return;
    memcpy(address.sun_path, path.ptr, path.len);
    if (address.sun_path[0] == '@')
        address.sun_path[0] = '\0';
    int const file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (file < 0)
        return;
    socklen_t const size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
    /* systemd that cannot be reached will say so itself, by its own deadline */
    (void)sendto(file, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&address, size);
    close(file);
}

long long notify_watchdog_us(void)
{
    struct str const usec = str_of(getenv("WATCHDOG_USEC")), pid = str_of(getenv("WATCHDOG_PID"));
    int64_t us = 0, whom = 0;
    if (usec.ptr == NULL || !str_to_i64(usec, &us))
        return 0;
    if (pid.ptr != NULL && (!str_to_i64(pid, &whom) || whom != getpid()))
        return 0;
    return us;
}
