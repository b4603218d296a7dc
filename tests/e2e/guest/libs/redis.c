// SPDX-License-Identifier: GPL-2.0
/*
 * A way by a real server: redis, over a socket. A value holds the pattern of one
 * page; a step gets one value, checks it, and sets another. Now and then the server
 * forks to save all of it, and copies what is written meanwhile.
 */
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"
#include "ways.h"

#define WORDS		(PAGE_WORDS - 64)	/* with its header it fills a page */
#define SAVE_EACH	512			/* steps */

struct server {
	redisContext *to;
	pid_t pid;
};

/* The reply to be freed; NULL, and wrong, if it isn't of that type. */
static redisReply *good(struct walk *walk, redisReply *reply, int type, const char *what)
{
	struct server *server = walk->library;

	if (reply && reply->type == type)
		return reply;
	walk->w->corrupt++;
	report("error walker %u: redis %s: %s", walk->id, what,
	       reply && reply->str ? reply->str : server->to->errstr);
	freeReplyObject(reply);
	return NULL;
}

static void set_page(struct walk *walk, unsigned long page)
{
	struct server *server = walk->library;
	uint64_t row[WORDS];

	for (unsigned int i = 0; i < WORDS; i++)
		row[i] = pattern(walk->id, page, i);
	freeReplyObject(good(walk, redisCommand(server->to, "SET %lu %b", page, row,
						sizeof(row)), REDIS_REPLY_STATUS, "SET"));
}

static void check_page(struct walk *walk, unsigned long page)
{
	struct server *server = walk->library;
	redisReply *reply = good(walk, redisCommand(server->to, "GET %lu", page),
				 REDIS_REPLY_STRING, "GET");

	if (!reply)
		return;
	if (reply->len == WORDS * sizeof(uint64_t))
		check_words(walk, (const uint64_t *)reply->str, page, 0, WORDS);
	else
		walk->w->corrupt++;
	freeReplyObject(reply);
}

/* The guest doesn't wait for the server at its end: see redis_verify(). */
static void start(struct server *server, const char *path)
{
	server->pid = fork();
	if (!server->pid) {
		execl("/bin/redis-server", "redis-server", "--port", "0", "--unixsocket", path,
		      "--save", "", "--dir", "/tmp", "--logfile", "/dev/null", NULL);
		_exit(1);
	}
}

static void redis_fill(struct walk *walk)
{
	struct server *server = calloc(1, sizeof(*server));
	char path[64];
	int tries = 300;

	walk->library = server;
	/* The rest is what the server needs beside its values. */
	walk->pages = walk->pages * 3 / 4;
	snprintf(path, sizeof(path), "/tmp/redis%u", walk->id);
	start(server, path);
	do {
		usleep(100000);
		redisFree(server->to);
		server->to = redisConnectUnix(path);
	} while (server->to && server->to->err && --tries);
	if (!server->to || server->to->err) {
		report("error walker %u: redis: no server", walk->id);
		exit(1);
	}
	for (unsigned long n = 0; n < walk->pages; n++)
		set_page(walk, n);
}

static void redis_step(struct walk *walk, unsigned long page)
{
	struct server *server = walk->library;

	check_page(walk, page);
	set_page(walk, (page + walk->pages / 2) % walk->pages);
	/* The server refuses to save while it saves already. */
	if (walk->w->touches % SAVE_EACH == SAVE_EACH - 1)
		freeReplyObject(redisCommand(server->to, "BGSAVE"));
}

static void redis_verify(struct walk *walk)
{
	struct server *server = walk->library;
	redisReply *reply = good(walk, redisCommand(server->to, "DBSIZE"),
				 REDIS_REPLY_INTEGER, "DBSIZE");

	if (reply && reply->integer != (long long)walk->pages)
		walk->w->corrupt++;
	freeReplyObject(reply);
	for (unsigned long n = 0; n < walk->pages; n++)
		check_page(walk, n);
	/* The server doesn't answer to that, it ends. */
	freeReplyObject(redisCommand(server->to, "SHUTDOWN NOSAVE"));
	waitpid(server->pid, NULL, 0);
}

static void redis_flip(struct walk *walk)
{
	struct server *server = walk->library;

	freeReplyObject(redisCommand(server->to, "SETRANGE 5 56 wrong"));
}

const struct way way_redis = { "redis", redis_fill, redis_step, redis_verify, redis_flip };
