// SPDX-License-Identifier: GPL-2.0
/* Figures that need a look. troubleshooting.rst has the remedies. */

#include <inttypes.h>
#include <stdarg.h>

#include "stat.h"

static void __attribute__((format(printf, 4, 5)))
add(struct worry *w, unsigned int *n, enum level level, const char *fmt, ...)
{
	va_list args;

	if (*n == MAX_WORRIES)
		return;
	w[*n].level = level;
	va_start(args, fmt);
	vsnprintf(w[*n].text, sizeof(w[*n].text), fmt, args);
	va_end(args);
	++*n;
}

unsigned int worries_of(struct worry *w, const struct rates *r, const struct snapshot *s)
{
	unsigned int n = 0;

	if (s->problem[0])
		add(w, &n, LEVEL_ALARM, "%s", s->problem);
	if (r->retries)
		add(w, &n, LEVEL_ALARM, "%" PRIu64 " waits ended by their deadline: the host had "
		    "fetched the pages and said nothing", r->retries);
	if (r->probes)
		add(w, &n, LEVEL_ALARM, "%" PRIu64 " tries at the deadline: the host can't fetch "
		    "pages, or says nothing when it has", r->probes);
	if (s->nr_sleepers && s->sleepers[0].age_ms > 10000)
		add(w, &n, LEVEL_ALARM, "%s (pid %ld) waits for %ld s: is the host's storage "
		    "down?", s->sleepers[0].comm, s->sleepers[0].pid,
		    s->sleepers[0].age_ms / 1000);
	if (r->repairs)
		add(w, &n, LEVEL_WORRY, "%" PRIu64 " repairs: waits of more than a second. "
		    "Nothing is lost, the host's storage is slow", r->repairs);
	if (r->overwritten)
		add(w, &n, LEVEL_WORRY, "%" PRIu64 " tokens overwritten: more outstanding than "
		    "is remembered; their tasks wait for the deadline", r->overwritten);
	if (r->told >= 100 && r->refused > r->waits)
		add(w, &n, LEVEL_WORRY, "most notifications are rejected: the host stops the CPU "
		    "for these; counters/rejected_* say why");
	if (s->active && !s->has_waits)
		add(w, &n, LEVEL_NOTE, "this kernel doesn't measure how long tasks wait");
	if (s->active && !s->has_sleepers && s->outstanding)
		add(w, &n, LEVEL_NOTE, "which tasks wait is shown to root only, in debugfs");
	return n;
}
