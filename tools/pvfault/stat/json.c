// SPDX-License-Identifier: GPL-2.0
/* One object a line. Times are seconds; an unknown value is null. */

#include <ctype.h>
#include <inttypes.h>
#include <math.h>

#include "stat.h"

static void string(FILE *f, const char *text)
{
	fputc('"', f);
	for (; *text; text++) {
		unsigned char c = *text;

		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < ' ')
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static void limit(FILE *f, const char *name, double seconds)
{
	if (isinf(seconds) || seconds <= 0)
		fprintf(f, "\"%s\":null", name);
	else
		fprintf(f, "\"%s\":%g", name, seconds);
}

static void state(FILE *f, const struct snapshot *s)
{
	fputs("\"backend\":", f);
	string(f, s->backend);
	fputs(",\"mode\":", f);
	string(f, s->mode);
	fputs(",\"problem\":", f);
	string(f, s->problem);
	fprintf(f, ",\"outstanding\":%" PRIu64 ",\"counters\":{", s->outstanding);
	for (unsigned int i = 0; i < s->nr_counters; i++)
		fprintf(f, "%s\"%s\":%" PRIu64, i ? "," : "", s->counters[i].name,
			s->counters[i].value);
	fputs("}", f);
}

static void waits(FILE *f, const struct snapshot *s)
{
	if (!s->has_waits) {
		fputs(",\"waits\":null", f);
		return;
	}
	fprintf(f, ",\"waits\":{\"user_seconds\":%.6f,\"kernel_seconds\":%.6f,"
		"\"longest_seconds\":%.6f,\"histogram\":[", s->user, s->kernel, s->longest);
	for (unsigned int i = 0; i < s->nr_buckets; i++) {
		const struct bucket *b = &s->buckets[i];

		fputs(i ? ",{" : "{", f);
		limit(f, "less_than", b->limit);
		fprintf(f, ",\"user\":%" PRIu64 ",\"kernel\":%" PRIu64 "}", b->user, b->kernel);
	}
	fputs("]}", f);
}

static void interval(FILE *f, const struct rates *r)
{
	if (r->seconds <= 0) {
		fputs(",\"interval\":null", f);
		return;
	}
	fprintf(f, ",\"interval\":{\"seconds\":%.3f,\"waits_per_second\":%.3f,"
		"\"kernel_per_second\":%.3f,\"refused_per_second\":%.3f,\"waiting\":%.4f,"
		"\"retries\":%" PRIu64 ",\"repairs\":%" PRIu64 ",", r->seconds, r->waits,
		r->in_kernel, r->refused, r->waiting, r->retries, r->repairs);
	limit(f, "p50_less_than", r->p50);
	fputc(',', f);
	limit(f, "p99_less_than", r->p99);
	fputc(',', f);
	limit(f, "worst_less_than", r->worst);
	fputc('}', f);
}

static void sleepers(FILE *f, const struct snapshot *s)
{
	if (!s->has_sleepers) {
		fputs(",\"sleepers\":null", f);
		return;
	}
	fputs(",\"sleepers\":[", f);
	for (unsigned int i = 0; i < s->nr_sleepers; i++) {
		const struct sleeper *sl = &s->sleepers[i];

		fprintf(f, "%s{\"pid\":%ld,\"comm\":", i ? "," : "", sl->pid);
		string(f, sl->comm);
		fprintf(f, ",\"age_seconds\":%.3f,\"token\":", sl->age_ms / 1e3);
		string(f, sl->token);
		fputc('}', f);
	}
	fputc(']', f);
}

void json_print(FILE *f, const struct rates *r, const struct snapshot *s)
{
	static const char * const names[] = { "note", "worry", "alarm" };
	struct worry w[MAX_WORRIES];
	unsigned int n = worries_of(w, r, s);

	fputc('{', f);
	state(f, s);
	waits(f, s);
	interval(f, r);
	sleepers(f, s);
	fputs(",\"worries\":[", f);
	for (unsigned int i = 0; i < n; i++) {
		fprintf(f, "%s{\"level\":\"%s\",\"text\":", i ? "," : "", names[w[i].level]);
		string(f, w[i].text);
		fputc('}', f);
	}
	fputs("]}\n", f);
	fflush(f);
}
