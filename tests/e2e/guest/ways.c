// SPDX-License-Identifier: GPL-2.0
/* Ways that need nothing but system calls. See ways.h. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guest.h"
#include "ways.h"

#define LOOK	8	/* words that a step looks at */
#define READ_PAGES	16	/* that a step of "read" reads */

uint64_t *area_common;

uint64_t pattern(unsigned int id, unsigned long page, unsigned int i)
{
	uint64_t x = ((uint64_t)id << 48) ^ ((uint64_t)page << 16) ^ i;

	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	return x ^ (x >> 27);
}

void check_words(struct walk *walk, const uint64_t *p, unsigned long page,
		 unsigned int first, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (p[i] != pattern(walk->id, page, first + i))
			walk->w->corrupt++;
}

void must(struct walk *walk, int good, const char *what)
{
	if (good)
		return;
	walk->w->corrupt++;
	report("error walker %u: %s: %s", walk->id, what, strerror(errno));
}

static void fill_page(struct walk *walk, uint64_t *p, unsigned long page)
{
	for (unsigned int i = 0; i < PAGE_WORDS; i++)
		p[i] = pattern(walk->id, page, i);
}

uint64_t *area_new(struct walk *walk, unsigned long pages, int fill)
{
	uint64_t *mem = area_common ?: mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
					    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mem == MAP_FAILED)
		exit(1);
	if (!parameter("load.huge", 0))
		madvise(mem, pages * PAGE, MADV_NOHUGEPAGE);
	for (unsigned long n = 0; fill && n < pages; n++)
		fill_page(walk, mem + n * PAGE_WORDS, n);
	return mem;
}

static void fill_file(struct walk *walk, int fd, unsigned long pages)
{
	uint64_t page[PAGE_WORDS];

	for (unsigned long n = 0; n < pages; n++) {
		fill_page(walk, page, n);
		must(walk, pwrite(fd, page, PAGE, n * PAGE) == PAGE, "filling a file");
	}
}

int file_new(struct walk *walk, unsigned long pages)
{
	int fd = memfd_create("walk", 0);

	fill_file(walk, fd, pages);
	return fd;
}

static void verify_area(struct walk *walk, const uint64_t *mem, unsigned long pages)
{
	for (unsigned long n = 0; n < pages; n++)
		check_words(walk, mem + n * PAGE_WORDS, n, 0, PAGE_WORDS);
}

static void verify_file(struct walk *walk, unsigned long pages)
{
	uint64_t page[PAGE_WORDS];

	for (unsigned long n = 0; n < pages; n++) {
		must(walk, pread(walk->fd, page, PAGE, n * PAGE) == PAGE, "reading a file");
		check_words(walk, page, n, 0, PAGE_WORDS);
	}
}

static void flip_area(struct walk *walk)
{
	walk->mem[(walk->pages / 4) * PAGE_WORDS + 7] ^= 1;
}

static void flip_file(struct walk *walk)
{
	must(walk, pwrite(walk->fd, "wrong", 5, walk->pages / 4 * PAGE + 56) == 5, "flip");
}

/* touch: the task itself, in user mode. */
static void touch_fill(struct walk *walk)
{
	walk->mem = area_new(walk, walk->pages, true);
}

static void touch_step(struct walk *walk, unsigned long page)
{
	const uint64_t *p = walk->mem + page * PAGE_WORDS + walk->first;

	(void)*(const volatile uint64_t *)p;
	check_words(walk, p, page, walk->first, LOOK);
}

static void touch_verify(struct walk *walk)
{
	verify_area(walk, walk->mem, walk->pages);
}

/* pread: out of a file's page cache. */
static void pread_fill(struct walk *walk)
{
	walk->fd = file_new(walk, walk->pages);
}

static void pread_step(struct walk *walk, unsigned long page)
{
	uint64_t got[LOOK];
	off_t at = page * PAGE + walk->first * sizeof(*got);

	must(walk, pread(walk->fd, got, sizeof(got), at) == sizeof(got), "pread");
	check_words(walk, got, page, walk->first, LOOK);
}

static void pread_verify(struct walk *walk)
{
	verify_file(walk, walk->pages);
}

/*
 * read: out of a file's page cache, sixteen pages at once; not of shmem, which differs.
 * In ramfs it isn't movable: load.disk_files= names a disk with ext2, where it is.
 */
static void read_fill(struct walk *walk)
{
	char path[32], disk[32];
	bool ram = !parameter_text("load.disk_files", disk, sizeof(disk));

	snprintf(path, sizeof(path), "/tmp/files%u", walk->id);
	must(walk, !mkdir(path, 0700) &&
	     !mount(ram ? "ramfs" : disk, path, ram ? "ramfs" : "ext2", 0, NULL), "mount");
	walk->fd = open(path, O_RDWR | O_TMPFILE, 0600);
	must(walk, walk->fd >= 0, "a file");
	fill_file(walk, walk->fd, walk->pages);
}

static void read_step(struct walk *walk, unsigned long page)
{
	uint64_t got[READ_PAGES * PAGE_WORDS];
	unsigned long count = READ_PAGES;

	if (page % READ_PAGES)
		return;
	if (count > walk->pages - page)
		count = walk->pages - page;
	must(walk, pread(walk->fd, got, count * PAGE, page * PAGE) == (ssize_t)(count * PAGE),
	     "pread");
	for (unsigned long n = 0; n < count; n++)
		check_words(walk, got + n * PAGE_WORDS + walk->first, page + n, walk->first, LOOK);
}

/* pwrite: from memory into a file; either may be out. */
static void pwrite_fill(struct walk *walk)
{
	walk->pages /= 2;
	walk->mem = area_new(walk, walk->pages, true);
	walk->fd = file_new(walk, walk->pages);
}

static void pwrite_step(struct walk *walk, unsigned long page)
{
	size_t size = LOOK * sizeof(uint64_t);

	must(walk, pwrite(walk->fd, walk->mem + page * PAGE_WORDS + walk->first, size,
			  page * PAGE + walk->first * sizeof(uint64_t)) == (ssize_t)size,
	     "pwrite");
}

static void pwrite_verify(struct walk *walk)
{
	verify_area(walk, walk->mem, walk->pages);
	verify_file(walk, walk->pages);
}

/* pipe and socket: from one area through a buffer of the kernel's to another. */
static void ends_fill(struct walk *walk, bool good)
{
	must(walk, good, "pipe or socket");
	walk->pages /= 2;
	walk->mem = area_new(walk, walk->pages, true);
	walk->copy = area_new(walk, walk->pages, true);
}

static void pipe_fill(struct walk *walk)
{
	ends_fill(walk, !pipe(walk->ends));
}

static void socket_fill(struct walk *walk)
{
	ends_fill(walk, !socketpair(AF_UNIX, SOCK_STREAM, 0, walk->ends));
}

static void ends_step(struct walk *walk, unsigned long page)
{
	uint64_t *from = walk->mem + page * PAGE_WORDS, *to = walk->copy + page * PAGE_WORDS;
	size_t got = 0;

	/* Either end of a pair of sockets can read and write; of a pipe only one can. */
	must(walk, write(walk->ends[1], from, PAGE) == PAGE, "write");
	while (got < PAGE) {
		ssize_t n = read(walk->ends[0], (char *)to + got, PAGE - got);

		must(walk, n > 0, "read");
		if (n <= 0)
			break;
		got += n;
	}
	check_words(walk, to + walk->first, page, walk->first, LOOK);
}

static void ends_verify(struct walk *walk)
{
	verify_area(walk, walk->mem, walk->pages);
	verify_area(walk, walk->copy, walk->pages);
}

/* futex: the kernel compares a word, which has another value than expected. */
static void futex_step(struct walk *walk, unsigned long page)
{
	uint32_t *word = (uint32_t *)(walk->mem + page * PAGE_WORDS + walk->first);
	uint32_t other = ~(uint32_t)pattern(walk->id, page, walk->first);
	long got = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, other, NULL, NULL, 0);

	must(walk, got == -1 && errno == EAGAIN, "futex");
	check_words(walk, (uint64_t *)word, page, walk->first, LOOK);
}

/*
 * fresh: each page is newly allocated, and so cleared; after a walk all are given back.
 * The pages that the host takes meanwhile are free ones.
 */
static void check_cleared(struct walk *walk, const uint64_t *p, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		if (p[i])
			walk->w->corrupt++;
}

static void fresh_step(struct walk *walk, unsigned long page)
{
	uint64_t *p = walk->mem + page * PAGE_WORDS;

	if (page == 0)
		must(walk, !madvise(walk->mem, walk->pages * PAGE, MADV_DONTNEED), "madvise");
	((volatile uint64_t *)p)[walk->first] = 0;
	check_cleared(walk, p + walk->first, LOOK);
	fill_page(walk, p, page);
}

/* Each page is as it was filled in this walk, or not there yet. */
static void fresh_verify(struct walk *walk)
{
	for (unsigned long n = 0; n < walk->pages; n++) {
		uint64_t *p = walk->mem + n * PAGE_WORDS;

		if (p[1])
			check_words(walk, p, n, 0, PAGE_WORDS);
		else
			check_cleared(walk, p, PAGE_WORDS);
	}
}

static const struct way ways[] = {
	{ "touch", touch_fill, touch_step, touch_verify, flip_area },
	{ "pread", pread_fill, pread_step, pread_verify, flip_file },
	{ "read", read_fill, read_step, pread_verify, flip_file },
	{ "pwrite", pwrite_fill, pwrite_step, pwrite_verify, flip_area },
	{ "pipe", pipe_fill, ends_step, ends_verify, flip_area },
	{ "socket", socket_fill, ends_step, ends_verify, flip_area },
	{ "futex", touch_fill, futex_step, touch_verify, flip_area },
	{ "fresh", touch_fill, fresh_step, fresh_verify, flip_area },
};

/* NULL where this program was built without. */
static const struct way * const optional[] = { &way_uring, &way_sqlite, &way_redis };

static const struct way *way_named(const char *name)
{
	for (unsigned int i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		if (!strcmp(ways[i].name, name))
			return &ways[i];
	for (const struct way *way = way_locks; way->name; way++)
		if (!strcmp(way->name, name))
			return way;
	for (unsigned int i = 0; i < sizeof(optional) / sizeof(optional[0]); i++)
		if (optional[i] && !strcmp(optional[i]->name, name))
			return optional[i];
	return NULL;
}

const struct way *way_of(unsigned int id)
{
	char list[128] = "touch", *rest = list, *name = list;

	parameter_text("load.way", list, sizeof(list));
	/* Walkers take the listed ways in turn; after the last comes the first one again. */
	for (unsigned int i = 0; i <= id; i++) {
		if (!rest) {
			parameter_text("load.way", list, sizeof(list));
			rest = list;
		}
		name = strsep(&rest, ",");
	}
	return way_named(name);
}
