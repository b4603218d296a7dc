// SPDX-License-Identifier: GPL-2.0
/* pvfault-stat: the command line. */

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "stat.h"

#define REPEAT_HEADER	20	/* lines */

struct options {
	const char *root, *textfile;
	bool top, json, once, colour, timed;
	double interval;
	unsigned long count;		/* 0: for ever */
};

static const char usage[] =
"Usage: pvfault-stat [option ...] [seconds [count]]\n"
"What waiting for the host costs the tasks of this guest: a line each second.\n"
"\n"
"  -1, --once           what has happened since boot, and end\n"
"  -j, --json           an object a line\n"
"  -t, --top            full screen\n"
"  -f, --textfile PATH  for Prometheus' node_exporter, once, or each so many seconds\n"
"  -r, --root FOLDER    look for sys/ there instead of in /\n"
"  -n, --no-colour      plain text on a terminal, too\n"
"  -V, --version\n"
"  -h, --help\n";

static int complain(const char *what, const char *value)
{
	fprintf(stderr, "pvfault-stat: %s %s\n", what, value);
	return 2;
}

static int parse_numbers(struct options *o, int argc, char **argv)
{
	char *end;

	if (argc > 2)
		return complain("too many arguments, from", argv[2]);
	if (argc > 0) {
		o->interval = strtod(argv[0], &end);
		if (*end || !(o->interval >= 0.1 && o->interval <= 86400))
			return complain("seconds must be 0.1 to 86400, not", argv[0]);
		o->timed = true;
	}
	if (argc > 1) {
		errno = 0;
		o->count = strtoul(argv[1], &end, 10);
		if (errno || *end || !o->count || argv[1][0] == '-')
			return complain("count must be a number from 1 on, not", argv[1]);
	}
	return 0;
}

/* Return: 0; or the exit status + 1. */
static int parse(struct options *o, int argc, char **argv)
{
	static const struct option known[] = {
		{ "once", no_argument, NULL, '1' },
		{ "json", no_argument, NULL, 'j' },
		{ "top", no_argument, NULL, 't' },
		{ "textfile", required_argument, NULL, 'f' },
		{ "root", required_argument, NULL, 'r' },
		{ "no-colour", no_argument, NULL, 'n' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' },
		{ }
	};
	int c;

	while ((c = getopt_long(argc, argv, "1jtf:r:nVh", known, NULL)) != -1) {
		switch (c) {
		case '1':
			o->once = true;
			break;
		case 'j':
			o->json = true;
			break;
		case 't':
			o->top = true;
			break;
		case 'f':
			o->textfile = optarg;
			break;
		case 'r':
			o->root = optarg;
			break;
		case 'n':
			o->colour = false;
			break;
		case 'V':
			puts("pvfault-stat 1");
			return 1;
		case 'h':
			fputs(usage, stdout);
			return 1;
		default:
			fputs(usage, stderr);
			return 3;
		}
	}
	if (o->top + o->json + !!o->textfile > 1)
		return 1 + complain("only one of --top, --json, --textfile goes", "");
	c = parse_numbers(o, argc - optind, argv + optind);
	return c ? c + 1 : 0;
}

static void pause_for(double seconds)
{
	struct timespec ts = { seconds, fmod(seconds, 1) * 1e9 };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

static void print_worries(const struct rates *r, const struct snapshot *s)
{
	struct worry w[MAX_WORRIES];
	unsigned int n = worries_of(w, r, s);

	for (unsigned int i = 0; i < n; i++)
		printf("%s\n", w[i].text);
}

/* --once, for people. */
static void print_totals(const struct rates *r, const struct snapshot *s)
{
	char p50[32], p99[32], longest[32];

	if (s->backend[0])
		printf("backend %s, mode %s\n", s->backend, s->mode);
	print_worries(r, s);
	if (!s->backend[0])
		return;
	printf("since boot: %.0f waits (%.0f in the kernel), %.0f refused, %.1f s waited\n",
	       r->waits, r->in_kernel, r->refused, r->waited);
	printf("half of them %s, 99 of 100 %s, the longest %s\n",
	       limit_span(p50, sizeof(p50), r, r->p50), limit_span(p99, sizeof(p99), r, r->p99),
	       span(longest, sizeof(longest), s->longest));
	for (unsigned int i = 0; i < s->nr_sleepers; i++)
		printf("waits: pid %ld (%s), %ld ms, token %s\n", s->sleepers[i].pid,
		       s->sleepers[i].comm, s->sleepers[i].age_ms, s->sleepers[i].token);
}

static int run(const struct options *o)
{
	static struct snapshot seen[2];
	static struct rates r;
	unsigned long done;
	int rc;

	for (done = 0; !o->count || done <= o->count; done++) {
		struct snapshot *now = &seen[done % 2];

		if (done)
			pause_for(o->interval);
		snapshot_take(now, o->root, o->textfile);
		rates_between(&r, done && !o->once ? &seen[(done + 1) % 2] : NULL, now);
		if (o->textfile) {
			rc = textfile_write(o->textfile, now);
			if (rc) {
				fprintf(stderr, "pvfault-stat: %s: %s\n", o->textfile,
					strerror(-rc));
				return 1;
			}
			if (!o->timed)
				return 0;
		} else if (o->json) {
			if (done || o->once)
				json_print(stdout, &r, now);
		} else if (o->once) {
			print_totals(&r, now);
		} else if (!done) {
			/* Without pvfault no line would ever say anything. */
			print_worries(&r, now);
			if (!now->backend[0])
				return 1;
		} else {
			if (done % REPEAT_HEADER == 1)
				lines_header(stdout);
			lines_print(stdout, &r, now, o->colour);
		}
		if (o->once)
			return now->backend[0] ? 0 : 1;
		if (ferror(stdout))
			return 1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct options o = { .root = "", .interval = 1, .colour = isatty(STDOUT_FILENO) };
	int rc = parse(&o, argc, argv);

	if (rc)
		return rc - 1;
	return o.top ? top_run(o.root, o.interval) : run(&o);
}
