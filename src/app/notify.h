/* notify.h - sd_notify without the library: one datagram to systemd. */
#pragma once

/* "READY=1", "STATUS=…", "WATCHDOG=1", "STOPPING=1"; nothing happens without $NOTIFY_SOCKET. */
void notify(const char *state);
/* $WATCHDOG_USEC for this process; 0: no watchdog. */
long long notify_watchdog_us(void);
