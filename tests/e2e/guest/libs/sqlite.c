// SPDX-License-Identifier: GPL-2.0
/*
 * A way by a real database: SQLite on a file system in memory. A row holds the
 * pattern of one page, and how often it was written; a step reads one row, checks
 * it, and writes another, each a transaction with a journal.
 */
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "ways.h"

struct base {
	sqlite3 *db;
	sqlite3_stmt *insert, *select, *update;
};

static void good(struct walk *walk, int result, int expected, const char *what)
{
	struct base *base = walk->library;

	if (result == expected)
		return;
	walk->w->corrupt++;
	report("error walker %u: sqlite %s: %s", walk->id, what, sqlite3_errmsg(base->db));
}

static void run(struct walk *walk, const char *sql)
{
	struct base *base = walk->library;

	good(walk, sqlite3_exec(base->db, sql, NULL, NULL, NULL), SQLITE_OK, sql);
}

static void prepare(struct walk *walk, const char *sql, sqlite3_stmt **statement)
{
	struct base *base = walk->library;

	good(walk, sqlite3_prepare_v2(base->db, sql, -1, statement, NULL), SQLITE_OK, sql);
}

static void sqlite_fill(struct walk *walk)
{
	struct base *base = calloc(1, sizeof(*base));
	uint64_t row[PAGE_WORDS - 64];	/* with its header it fills a page */
	char path[64];

	walk->library = base;
	/* The rest is its journal and its cache. */
	walk->pages = walk->pages * 3 / 4;
	snprintf(path, sizeof(path), "/tmp/base%u", walk->id);
	good(walk, sqlite3_open(path, &base->db), SQLITE_OK, "open");
	run(walk, "pragma page_size = 4096");
	run(walk, "pragma cache_size = 256");
	run(walk, "create table pages (n integer primary key, written integer, words blob)");
	prepare(walk, "insert into pages values (?, 0, ?)", &base->insert);
	prepare(walk, "select words from pages where n = ?", &base->select);
	prepare(walk, "update pages set written = written + 1, words = ? where n = ?",
		&base->update);
	run(walk, "begin");
	for (unsigned long n = 0; n < walk->pages; n++) {
		for (unsigned int i = 0; i < sizeof(row) / sizeof(*row); i++)
			row[i] = pattern(walk->id, n, i);
		sqlite3_bind_int64(base->insert, 1, n);
		sqlite3_bind_blob(base->insert, 2, row, sizeof(row), SQLITE_STATIC);
		good(walk, sqlite3_step(base->insert), SQLITE_DONE, "insert");
		sqlite3_reset(base->insert);
	}
	run(walk, "commit");
}

static void check_row(struct walk *walk, unsigned long page)
{
	unsigned int words = PAGE_WORDS - 64;
	struct base *base = walk->library;

	sqlite3_bind_int64(base->select, 1, page);
	good(walk, sqlite3_step(base->select), SQLITE_ROW, "select");
	if (sqlite3_column_bytes(base->select, 0) == (int)(words * sizeof(uint64_t)))
		check_words(walk, sqlite3_column_blob(base->select, 0), page, 0, words);
	else
		walk->w->corrupt++;
	sqlite3_reset(base->select);
}

static void sqlite_step(struct walk *walk, unsigned long page)
{
	unsigned long other = (page + walk->pages / 2) % walk->pages;
	uint64_t row[PAGE_WORDS - 64];
	struct base *base = walk->library;

	check_row(walk, page);
	for (unsigned int i = 0; i < sizeof(row) / sizeof(*row); i++)
		row[i] = pattern(walk->id, other, i);
	sqlite3_bind_blob(base->update, 1, row, sizeof(row), SQLITE_STATIC);
	sqlite3_bind_int64(base->update, 2, other);
	good(walk, sqlite3_step(base->update), SQLITE_DONE, "update");
	sqlite3_reset(base->update);
}

static void sqlite_verify(struct walk *walk)
{
	struct base *base = walk->library;
	sqlite3_stmt *check;

	prepare(walk, "pragma integrity_check", &check);
	good(walk, sqlite3_step(check), SQLITE_ROW, "integrity_check");
	if (strcmp((const char *)sqlite3_column_text(check, 0), "ok"))
		walk->w->corrupt++;
	sqlite3_finalize(check);
	prepare(walk, "select sum(written) from pages", &check);
	good(walk, sqlite3_step(check), SQLITE_ROW, "sum");
	/* Each step has written once. */
	if ((uint64_t)sqlite3_column_int64(check, 0) != walk->w->touches)
		walk->w->corrupt++;
	sqlite3_finalize(check);
	for (unsigned long n = 0; n < walk->pages; n++)
		check_row(walk, n);
	good(walk, sqlite3_close_v2(base->db), SQLITE_OK, "close");
}

static void sqlite_flip(struct walk *walk)
{
	run(walk, "update pages set words = zeroblob(3584) where n = 5");
}

const struct way way_sqlite = {
	"sqlite", sqlite_fill, sqlite_step, sqlite_verify, sqlite_flip
};
