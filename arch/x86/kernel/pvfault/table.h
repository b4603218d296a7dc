/* SPDX-License-Identifier: GPL-2.0 */
/* The inside of the token table: for table.c, marks.c, batch.c and scan.c only. */
#ifndef PVFAULT_TABLE_H
#define PVFAULT_TABLE_H

#include <linux/hash.h>
#include <linux/list.h>
#include <linux/pvfault.h>
#include <linux/spinlock.h>
#include <linux/stddef.h>
#include <linux/types.h>

struct task_struct;

/*
 * Slots of each CPU. It remembers as many tokens as hosts have outstanding for it.
 * Half as many may be in batches, which leaves the other half of what a host has
 * outstanding to faults that nobody provoked.
 */
#define PVFAULT_MARKS		PVFAULT_MAX_OUTSTANDING
#define PVFAULT_BATCHED		32
#define PVFAULT_SLOTS		(PVFAULT_MARKS + PVFAULT_BATCHED)

/* The head of table.c has the transitions between these. */
enum pvfault_state {
	PVFAULT_SLEEPING,
	PVFAULT_WOKEN,
	PVFAULT_LEFT,
	PVFAULT_EARLY,
	PVFAULT_ABANDONED,
};

struct pvfault_node {
	struct hlist_node link;
	pvfault_token_t token;
	enum pvfault_state state;
};

struct pvfault_sleeper {
	struct pvfault_node node;
	struct pvfault_told told;
	struct task_struct *task;
	struct pvfault_batch *batch;	/* NULL: the task waits for this token alone */
};

struct pvfault_mark {
	struct pvfault_node node;
	union {
		unsigned long stamp;	/* order of taking; of a batch: jiffies when left */
		pvfault_token_t unused;	/* as large as a sleeper's, also with 32 bits */
	};
	u32 generation;			/* when it was added */
	int cpu;			/* of its pool */
};

/*
 * What a CPU's pool is made of. A batch's sleeper that is left turns into a mark where it
 * lies, on its list: node, CPU and generation stay what they are.
 */
union pvfault_slot {
	struct pvfault_sleeper sleeper;
	struct pvfault_mark mark;
};

static_assert(offsetof(struct pvfault_sleeper, told.cpu) ==
	      offsetof(struct pvfault_mark, cpu));
static_assert(offsetof(struct pvfault_sleeper, told.generation) ==
	      offsetof(struct pvfault_mark, generation));

struct pvfault_bucket {
	raw_spinlock_t lock;		/* the list, token and state of its nodes */
	struct hlist_head nodes;
};

/*
 * Buckets that share a page also share a count of the sleepers on them. So the scan
 * doesn't touch pages of a large table without sleepers, which the host may have taken.
 */
#define PVFAULT_GROUP_BITS	8

extern struct pvfault_bucket *pvfault_buckets;
extern unsigned int pvfault_bits;
extern atomic_t *pvfault_groups;

/* Bits of a bucket's number that name its group. */
static inline unsigned int pvfault_group_bits(void)
{
	return pvfault_bits > PVFAULT_GROUP_BITS ? pvfault_bits - PVFAULT_GROUP_BITS : 0;
}

static inline atomic_t *pvfault_group(const struct pvfault_bucket *b)
{
	return &pvfault_groups[(b - pvfault_buckets) >> PVFAULT_GROUP_BITS];
}

static inline struct pvfault_bucket *pvfault_bucket(pvfault_token_t token)
{
	return &pvfault_buckets[hash_64(token, pvfault_bits)];
}

static inline struct pvfault_sleeper *to_sleeper(struct pvfault_node *node)
{
	return container_of(node, struct pvfault_sleeper, node);
}

static inline struct pvfault_mark *to_mark(struct pvfault_node *node)
{
	return container_of(node, struct pvfault_mark, node);
}

/* table.c */
void pvfault_wake(struct pvfault_node *node);
bool pvfault_queue(struct pvfault_sleeper *s);
void pvfault_wait_begins(void);

/* batch.c */
bool pvfault_batch_woken(struct pvfault_sleeper *s);

/* marks.c */
int pvfault_marks_init(void);
void pvfault_marks_free(void);
struct pvfault_mark *pvfault_mark_get(pvfault_token_t token);
void pvfault_mark_put(struct pvfault_mark *mark);
void pvfault_mark_erase(struct pvfault_node *node);
struct pvfault_sleeper *pvfault_slot_get(pvfault_token_t token);

#endif /* PVFAULT_TABLE_H */
