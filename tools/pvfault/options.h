/* SPDX-License-Identifier: GPL-2.0 */
/* The command line. */
#ifndef PVFAULT_OPTIONS_H
#define PVFAULT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum action { ACTION_PAGE, ACTION_STATUS, ACTION_DRAIN };

/**
 * struct options - what the command line says
 * @action: page the domain, or ask its pager
 * @domain: number or name
 * @pagefile: path
 * @target_kib: what the domain may keep; 0: until XenStore says something
 * @stats: path, or NULL
 * @wait_s: how long to wait for a frontend; 0: for ever
 * @depth: pages being read or written at a time
 * @sync_io: no io_uring
 * @disk_limit_s: a page that can't be read for so long is lost; 0: never
 * @file_limit_mib: the page file may hold no more; 0: as much as it needs
 * @follow: wait for the domain, and for the next one of its name
 * @json: say the counters in JSON
 * @say_waits: say each wait when it is over
 * @trust_guest: the guest could stop the host, and is trusted not to
 * @hold: never notify the guest
 * @socket: folder of the socket to ask at
 * @unsafe_offer: ranges to page without a frontend; for tests
 */
struct options {
	enum action action;
	const char *domain;
	const char *pagefile;
	uint64_t target_kib;
	const char *stats;
	unsigned int wait_s;
	unsigned int depth;
	unsigned int disk_limit_s;
	uint64_t file_limit_mib;
	bool sync_io, hold, trust_guest, follow, json, say_waits;
	const char *socket;
	const char *unsafe_offer;
};

/* Ends the program on --help, --version, and what makes no sense. */
void options_parse(struct options *o, int argc, char **argv);

#endif /* PVFAULT_OPTIONS_H */
