// SPDX-License-Identifier: GPL-2.0
/* The full screen. */

#include <curses.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "stat.h"

#define BAR		30

static void worry_colour(enum level level)
{
	static const int attr[] = { A_DIM, A_BOLD, A_BOLD };

	attrset(attr[level] | (has_colors() ? COLOR_PAIR(level) : 0));
}

static void title(const struct snapshot *s)
{
	time_t now = time(NULL);
	char clock[16];

	strftime(clock, sizeof(clock), "%H:%M:%S", localtime(&now));
	attrset(A_BOLD);
	mvprintw(0, 0, "pvfault-stat  %s", clock);
	attrset(A_NORMAL);
	if (s->backend[0])
		printw("  backend %s, mode %s", s->backend, s->mode);
}

static int summary(int y, const struct rates *r, const struct snapshot *s)
{
	char text[32];

	mvprintw(y++, 0, "%" PRIu64 " tasks wait now, %.2f on average; the longest wait "
		 "since boot: %s", s->outstanding, r->waiting,
		 span(text, sizeof(text), s->longest));
	mvprintw(y++, 0, "%.1f waits/s, %.1f of them in the kernel; %.1f/s refused",
		 r->waits, r->in_kernel, r->refused);
	return y;
}

static int worries(int y, const struct rates *r, const struct snapshot *s)
{
	struct worry w[MAX_WORRIES];
	unsigned int n = worries_of(w, r, s);

	for (unsigned int i = 0; i < n && y < LINES - 1; i++) {
		worry_colour(w[i].level);
		mvaddnstr(y++, 0, w[i].text, COLS);
		attrset(A_NORMAL);
	}
	return y;
}

/* From the first to the last bucket that has something in it, since boot. */
static int histogram(int y, const struct rates *r, const struct snapshot *s)
{
	unsigned int first = s->nr_buckets, last = 0;
	uint64_t most = 0;
	char text[32];

	for (unsigned int i = 0; i < s->nr_buckets; i++) {
		uint64_t n = s->buckets[i].user + s->buckets[i].kernel;

		if (!n)
			continue;
		if (first > i)
			first = i;
		last = i;
		if (most < n)
			most = n;
	}
	if (!most)
		return y;
	attrset(A_UNDERLINE);
	mvprintw(++y, 0, "%-10s %10s %10s %10s", "wait", "user", "kernel", "just now");
	attrset(A_NORMAL);
	y++;
	for (unsigned int i = first; i <= last && y < LINES - 1; i++) {
		const struct bucket *b = &s->buckets[i];
		int width = (b->user + b->kernel) * BAR / most;

		mvprintw(y, 0, "%-10s %10" PRIu64 " %10" PRIu64 " %10" PRIu64 " ",
			 limit_span(text, sizeof(text), r, b->limit), b->user, b->kernel,
			 r->buckets[i].user + r->buckets[i].kernel);
		if (b->user + b->kernel && !width)
			addch('.');
		while (width-- > 0)
			addch('#');
		y++;
	}
	return y;
}

static void sleepers(int y, const struct snapshot *s)
{
	if (!s->nr_sleepers)
		return;
	attrset(A_UNDERLINE);
	mvprintw(++y, 0, "%8s %-16s %10s %4s %s", "pid", "task", "waits", "cpu", "token");
	attrset(A_NORMAL);
	y++;
	for (unsigned int i = 0; i < s->nr_sleepers && y < LINES - 1; i++, y++) {
		const struct sleeper *sl = &s->sleepers[i];

		if (sl->age_ms > 1000)
			worry_colour(sl->age_ms > 10000 ? LEVEL_ALARM : LEVEL_WORRY);
		mvprintw(y, 0, "%8ld %-16s %7ld ms %4s %s", sl->pid, sl->comm, sl->age_ms,
			 sl->cpu, sl->token);
		attrset(A_NORMAL);
	}
}

static void draw(const struct rates *r, const struct snapshot *s)
{
	int y = 2;

	erase();
	title(s);
	if (s->backend[0])
		y = summary(y - 1, r, s);
	y = worries(y, r, s);
	y = histogram(y, r, s);
	sleepers(y, s);
	attrset(A_DIM);
	mvprintw(LINES - 1, 0, "q: end");
	attrset(A_NORMAL);
	refresh();
}

int top_run(const char *root, double interval)
{
	static struct snapshot seen[2];
	static struct rates r;
	unsigned int now = 0;
	bool first = true;
	int key;

	if (!newterm(NULL, stdout, stdin)) {
		fprintf(stderr, "pvfault-stat: --top needs a terminal that ncurses knows (TERM)\n");
		return 1;
	}
	cbreak();
	noecho();
	curs_set(0);
	keypad(stdscr, TRUE);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(LEVEL_WORRY, COLOR_YELLOW, -1);
		init_pair(LEVEL_ALARM, COLOR_RED, -1);
	}
	timeout(interval * 1000);
	do {
		snapshot_take(&seen[now], root, false);
		rates_between(&r, first ? NULL : &seen[!now], &seen[now]);
		draw(&r, &seen[now]);
		first = false;
		now = !now;
		key = getch();
	} while (key != 'q' && key != 'Q');
	endwin();
	return 0;
}
