// SPDX-License-Identifier: GPL-2.0
/*
 * Ways on files that all tasks share, so that one falls asleep in the kernel with a lock
 * that the others want: the inode's of a file that is written, the mutex of a pipe, the
 * inode's of a directory that is read. See ways.h. With load.locks=1 a sampler reads the
 * stacks of the tasks and counts the sleepers by lock.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"
#include "pvload.h"
#include "ways.h"

#define FILE_SHARED	"/tmp/locked"
#define PIPE_SHARED	"/tmp/locked-pipe"
#define DIR_SHARED	"/tmp/locked-dir"
#define DIR_ENTRIES	256
#define MOST_WALKERS	64
#define RECORD		64		/* words; less than PIPE_BUF, so never mixed */

static void fill_shared(struct walk *walk, bool good, const char *what)
{
	must(walk, good, what);
	walk->pages /= 2;
	walk->mem = area_new(walk, walk->pages, 1);
}

/* The area of this walker in the file that all write. */
static off_t place_of(struct walk *walk, unsigned long page)
{
	return ((off_t)walk->id * walk->pages + page) * PAGE;
}

/* lockfile: write() from memory that may be out, which locks the file's inode. */
static void lockfile_step(struct walk *walk, unsigned long page)
{
	must(walk, pwrite(walk->fd, walk->mem + page * PAGE_WORDS, PAGE,
			  place_of(walk, page)) == PAGE, "pwrite");
}

static void lockfile_fill(struct walk *walk)
{
	walk->fd = open(FILE_SHARED, O_RDWR | O_CREAT, 0600);
	fill_shared(walk, walk->fd >= 0, FILE_SHARED);
	for (unsigned long n = 0; n < walk->pages; n++)
		lockfile_step(walk, n);
}

static void lockfile_verify(struct walk *walk)
{
	uint64_t page[PAGE_WORDS];

	for (unsigned long n = 0; n < walk->pages; n++) {
		must(walk, pread(walk->fd, page, PAGE, place_of(walk, n)) == PAGE, "pread");
		check_words(walk, page, n, 0, PAGE_WORDS);
	}
}

static void lockfile_flip(struct walk *walk)
{
	must(walk, pwrite(walk->fd, "wrong", 5, place_of(walk, 5)) == 5, "flip");
}

/*
 * lockpipe: a record into the pipe, then one out of it, maybe another task's, both by way
 * of memory that may be out. The last word of a record names the page it comes from.
 */
static void lockpipe_fill(struct walk *walk)
{
	if (mkfifo(PIPE_SHARED, 0600) && errno != EEXIST)
		must(walk, 0, PIPE_SHARED);
	walk->fd = open(PIPE_SHARED, O_RDWR);
	fill_shared(walk, walk->fd >= 0, PIPE_SHARED);
	for (unsigned long n = 0; n < walk->pages; n++)
		walk->mem[n * PAGE_WORDS + RECORD - 1] = (uint64_t)walk->id << 32 | n;
}

static void check_record(struct walk *walk, const uint64_t *record)
{
	unsigned long page = (uint32_t)record[RECORD - 1];
	unsigned int id = record[RECORD - 1] >> 32;

	for (unsigned int i = 0; i < RECORD - 1; i++)
		if (record[i] != pattern(id, page, i))
			walk->w->corrupt++;
}

static void lockpipe_step(struct walk *walk, unsigned long page)
{
	uint64_t *from = walk->mem + page * PAGE_WORDS;
	/* Half of the memory further on, where neither a record nor a checked word is. */
	uint64_t *to = walk->mem + (page + walk->pages / 2) % walk->pages * PAGE_WORDS + RECORD;
	ssize_t size = RECORD * sizeof(*from);

	must(walk, write(walk->fd, from, size) == size, "write");
	must(walk, read(walk->fd, to, size) == size, "read");
	check_record(walk, to);
}

static void lockpipe_verify(struct walk *walk)
{
	for (unsigned long n = 0; n < walk->pages; n++)
		check_record(walk, walk->mem + n * PAGE_WORDS);
}

static void lockpipe_flip(struct walk *walk)
{
	walk->mem[5 * PAGE_WORDS] ^= 1;
}

/* lockdir: the names of a directory, into memory that may be out, while one of them
 * vanishes and comes back. */
static void name_of(char *name, size_t size, unsigned long n)
{
	snprintf(name, size, DIR_SHARED "/%lu", n % DIR_ENTRIES);
}

static void lockdir_fill(struct walk *walk)
{
	char name[64];

	mkdir(DIR_SHARED, 0700);
	walk->fd = open(DIR_SHARED, O_RDONLY | O_DIRECTORY);
	fill_shared(walk, walk->fd >= 0, DIR_SHARED);
	for (unsigned long n = 0; n < DIR_ENTRIES; n++) {
		name_of(name, sizeof(name), n);
		close(open(name, O_WRONLY | O_CREAT, 0600));
	}
}

static void lockdir_step(struct walk *walk, unsigned long page)
{
	char *to = (char *)(walk->mem + page * PAGE_WORDS), name[64];
	long got;

	must(walk, lseek(walk->fd, 0, SEEK_SET) == 0, "lseek");
	got = syscall(SYS_getdents64, walk->fd, to, PAGE);
	/* A list of entries, each of which begins with an inode, an offset, its size. */
	must(walk, got > 0, "getdents64");
	for (long at = 0; at < got; ) {
		const struct dirent64 *e = (void *)(to + at);

		must(walk, e->d_reclen > 0 && e->d_reclen <= got - at && e->d_name[0],
		     "an entry");
		at += e->d_reclen ?: got;
	}
	name_of(name, sizeof(name), walk->id);
	must(walk, !unlink(name) && !close(open(name, O_WRONLY | O_CREAT, 0600)), name);
}

static void lockdir_verify(struct walk *walk)
{
	char name[64];

	/* Another walker's may be about to come again. */
	for (unsigned long n = 0; n < DIR_ENTRIES; n++) {
		name_of(name, sizeof(name), n);
		if (n == walk->id || n >= MOST_WALKERS)
			must(walk, !access(name, F_OK), name);
	}
}

static void lockdir_flip(struct walk *walk)
{
	char name[64];

	name_of(name, sizeof(name), DIR_ENTRIES - 1);
	must(walk, !unlink(name), name);
}

const struct way way_locks[] = {
	{ "lockfile", lockfile_fill, lockfile_step, lockfile_verify, lockfile_flip },
	{ "lockpipe", lockpipe_fill, lockpipe_step, lockpipe_verify, lockpipe_flip },
	{ "lockdir", lockdir_fill, lockdir_step, lockdir_verify, lockdir_flip },
	{ NULL }
};

/* Functions that hold a lock while they copy from or to user memory. */
static const char * const holders[] = {
	"generic_perform_write", "pipe_write", "pipe_read", "iterate_dir",
};

static unsigned long seen[sizeof(holders) / sizeof(*holders)];

static void look_at(const char *pid)
{
	char path[64], stack[4096];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%.32s/stack", pid);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, stack, sizeof(stack) - 1);
	if (fd >= 0)
		close(fd);
	if (n <= 0)
		return;
	stack[n] = '\0';
	if (!strstr(stack, "pvfault_table_sleep"))
		return;
	for (unsigned int i = 0; i < sizeof(holders) / sizeof(*holders); i++)
		seen[i] += !!strstr(stack, holders[i]);
}

/* Count the tasks that sleep in an async fault with a lock. */
static void sampler(void)
{
	struct dirent *e;

	await_walk();
	while (walking()) {
		DIR *d = opendir("/proc");

		while (d && (e = readdir(d)))
			if (e->d_name[0] >= '0' && e->d_name[0] <= '9')
				look_at(e->d_name);
		if (d)
			closedir(d);
		usleep(20000);
	}
	for (unsigned int i = 0; i < sizeof(holders) / sizeof(*holders); i++)
		report("asleep_in.%s %lu", holders[i], seen[i]);
}

void locks_start(void)
{
	start_if("load.locks", sampler);
}
