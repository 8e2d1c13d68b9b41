/* common.h - what the bench programs share: sockets on 127.0.0.1, a clock, an end with a message.
 *
 * Why:  nothing of Cota is used here, so that a fault of Cota cannot flatter its own measurement.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { EVENTS_MAX = 512, LISTEN_BACKLOG = 4096 };

/* Ends the program with "what: errno's text". */
_Noreturn void die(const char *what);

int64_t now_ns(void); /* monotonic: the same in every process of this machine */

int listen_on(int port);  /* non-blocking */
int accept_one(int fd);   /* non-blocking, no delay; -1: nobody is waiting */
int connect_to(int port); /* non-blocking, no delay; -1: refused */
void files_raise(void);   /* the soft limit of open files becomes the hard one */

int number_of(const char *text, int min, int max); /* or an end with a message */

/* The events of `fd`; `data` comes back with them. `add`: for the first time. */
void watch(int epoll_fd, int fd, uint32_t events, void *data, bool add);
