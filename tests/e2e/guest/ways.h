/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ways to walk memory that the host swaps: by touching it, or by system calls that
 * let the kernel touch it. What each word holds is known, and always checked.
 */
#ifndef WAYS_H
#define WAYS_H

#include <stdatomic.h>
#include <stdint.h>

#define PAGE		4096UL
#define PAGE_WORDS	(PAGE / sizeof(uint64_t))

/* The findings of one task, in memory that all tasks share. */
struct walker {
	_Atomic uint64_t touches;
	_Atomic uint64_t corrupt;
	_Atomic uint64_t worst_ns;
	_Atomic int phase;		/* the last phase that it finished */
};

/* One task on its way. */
struct walk {
	struct walker *w;
	unsigned int id;
	unsigned long pages;
	unsigned int first;		/* of the words to look at in this step */
	uint64_t *mem;
	uint64_t *copy;			/* a second area, of the ways that have two */
	int fd, ends[2];
	void *library;			/* its state */
};

/* Of a way that needs a library this program may be built without. */
#define OPTIONAL	__attribute__((weak))

/**
 * struct way - a way
 * @name: for load.way=
 * @fill: make and fill all pages; both areas together have walk->pages
 * @step: use page @page, check some of it
 * @verify: check all
 * @flip: sabotage: make one word wrong
 */
struct way {
	const char *name;
	void (*fill)(struct walk *walk);
	void (*step)(struct walk *walk, unsigned long page);
	void (*verify)(struct walk *walk);
	void (*flip)(struct walk *walk);
};

extern const struct way way_uring OPTIONAL, way_sqlite OPTIONAL, way_redis OPTIONAL;

/* Those of locks.c; the last one has no name. */
extern const struct way way_locks[];

/* The way of walker @id according to load.way=, NULL if there is none. */
const struct way *way_of(unsigned int id);

/* The value that word @i of page @page of walker @id must have. */
uint64_t pattern(unsigned int id, unsigned long page, unsigned int i);

/* Count what is wrong in words @first to @first + @count of @page, at @p. */
void check_words(struct walk *walk, const uint64_t *p, unsigned long page,
		 unsigned int first, unsigned int count);

/* Something that must be true; if not, it counts as wrong, and is reported. */
void must(struct walk *walk, int good, const char *what);

/* The memory that all of them walk, with load.common. */
extern uint64_t *area_common;

/* Anonymous memory; filled, if @fill, with the pattern. */
uint64_t *area_new(struct walk *walk, unsigned long pages, int fill);
/* The same as a file in memory. */
int file_new(struct walk *walk, unsigned long pages);

#endif
