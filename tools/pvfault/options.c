// SPDX-License-Identifier: GPL-2.0
/* The command line, see options.h. */

#include <argp.h>
#include <stdlib.h>

#include "exitcode.h"
#include "log.h"
#include "offer.h"
#include "options.h"
#include "status.h"

const char *argp_program_version = "pvfault-pager 1";

enum {
	OPT_SYNC_IO = 256, OPT_UNSAFE_OFFER, OPT_DEPTH, OPT_HOLD, OPT_STATUS, OPT_DRAIN,
	OPT_SOCKET, OPT_TRUST_GUEST, OPT_DISK_LIMIT, OPT_FILE_LIMIT, OPT_FOLLOW,
	OPT_JSON, OPT_SAY_WAITS,
};

static const struct argp_option option[] = {
	{ "domain", 'd', "NAME|ID", 0, "The domain to take memory from", 0 },
	{ "pagefile", 'f', "PATH", 0, "Where its pages go; made if it isn't there", 0 },
	{ "target", 't', "MIB", 0,
	  "How much memory the domain keeps; without it, until memory/pvfault-target is written",
	  0 },
	{ "wait", 'w', "SECONDS", 0,
	  "End if no frontend has connected by then; default: wait for ever", 0 },
	{ "stats", 's', "PATH", 0, "Write counters to this file each second", 0 },
	{ "trust-guest", OPT_TRUST_GUEST, NULL, 0,
	  "The guest is trusted with the host, see below; without this, and without memory/pvfault-trusted, nothing is taken",
	  0 },
	{ "disk-limit", OPT_DISK_LIMIT, "SECONDS", 0,
	  "Let the domain crash when a page can't be read for so long; default: wait for the disk for ever",
	  0 },
	{ "file-limit", OPT_FILE_LIMIT, "MIB", 0,
	  "Take no more pages than fit into so much of the page file; default: no limit", 0 },
	{ "follow", OPT_FOLLOW, NULL, 0,
	  "Wait until there is a domain of this name, and after its end for the next one", 0 },
	{ "depth", OPT_DEPTH, "N", 0,
	  "Read, and write, up to N pages at a time; 1 to 128, default 32", 0 },
	{ "sync-io", OPT_SYNC_IO, NULL, 0, "Don't use io_uring", 0 },
	{ "hold", OPT_HOLD, NULL, 0,
	  "Tell the guest nothing: hold its vCPUs until their pages are there", 0 },
	{ "unsafe-offer", OPT_UNSAFE_OFFER, "RANGES", 0,
	  "For tests: take these pages (START+COUNT ...) without asking the guest, tell it nothing",
	  0 },
	{ "status", OPT_STATUS, NULL, 0, "Print the counters of the domain's pager", 0 },
	{ "json", OPT_JSON, NULL, 0, "... in JSON", 0 },
	{ "drain", OPT_DRAIN, NULL, 0,
	  "Let the domain's pager bring everything back and end, and wait for that", 0 },
	{ "socket", OPT_SOCKET, "FOLDER", 0,
	  "Where a pager can be asked; default: " STATUS_FOLDER, 0 },
	{ "say-waits", OPT_SAY_WAITS, NULL, 0,
	  "Say each wait when it is over, with the token that the guest's trace events show", 0 },
	{ "verbose", 'v', NULL, 0, "Say more", 0 },
	{ 0 }
};

static unsigned long number(struct argp_state *state, const char *name,
			    const char *arg, uint64_t min, uint64_t max)
{
	uint64_t n;

	if (!parse_number(arg, min, max, &n))
		argp_error(state, "--%s: '%s' is not a number from %llu to %llu", name,
			   arg, (unsigned long long)min, (unsigned long long)max);
	return n;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'd':
		o->domain = arg;
		return 0;
	case 'f':
		o->pagefile = arg;
		return 0;
	case 't':
		o->target_kib = 1024 * number(state, "target", arg, 1, 1 << 24);
		return 0;
	case 'w':
		o->wait_s = number(state, "wait", arg, 1, 86400);
		return 0;
	case 's':
		o->stats = arg;
		return 0;
	case 'v':
		log_verbose = true;
		return 0;
	case OPT_STATUS:
		o->action = ACTION_STATUS;
		return 0;
	case OPT_DRAIN:
		o->action = ACTION_DRAIN;
		return 0;
	case OPT_SOCKET:
		o->socket = arg;
		return 0;
	case OPT_DEPTH:
		o->depth = number(state, "depth", arg, 1, 128);
		return 0;
	case OPT_TRUST_GUEST:
		o->trust_guest = true;
		return 0;
	case OPT_DISK_LIMIT:
		o->disk_limit_s = number(state, "disk-limit", arg, 1, 86400);
		return 0;
	case OPT_FILE_LIMIT:
		o->file_limit_mib = number(state, "file-limit", arg, 1, 1 << 24);
		return 0;
	case OPT_FOLLOW:
		o->follow = true;
		return 0;
	case OPT_JSON:
		o->json = true;
		return 0;
	case OPT_SAY_WAITS:
		o->say_waits = true;
		return 0;
	case OPT_SYNC_IO:
		o->sync_io = true;
		return 0;
	case OPT_HOLD:
		o->hold = true;
		return 0;
	case OPT_UNSAFE_OFFER:
		o->unsafe_offer = arg;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is one argument too many", arg);
		return EINVAL;
	case ARGP_KEY_END:
		if (!o->domain)
			argp_error(state, "--domain is missing");
		if (!o->pagefile && o->action == ACTION_PAGE)
			argp_error(state, "--pagefile is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

void options_parse(struct options *o, int argc, char **argv)
{
	static const struct argp argp = {
		.options = option,
		.parser = parse,
		.doc = "Take memory away from a Xen guest that offers it, and bring it back "
		       "when the guest touches it, telling the guest so that only one task waits."
		       "\vOn an unmodified Xen a paged guest must be trusted: a hostile one can make the whole host stand still, dom0 included, while pages of it are out, and nothing that this program looks at can prevent it.\n\n"
		       "See pvfault-pager(8) for the exit codes.",
	};

	*o = (struct options) { .depth = 32, .socket = STATUS_FOLDER };
	argp_err_exit_status = EXIT_BAD_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, o);
}
