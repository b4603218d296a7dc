/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The first pointer of a list is looked at without a lock, so stores to it
 * are atomic; pprev is plain, for the sanitizer to watch.
 */
#ifndef _SIM_LINUX_LIST_H
#define _SIM_LINUX_LIST_H

#include <linux/types.h>

struct hlist_node {
	struct hlist_node *next, **pprev;
};

struct hlist_head {
	struct hlist_node *first;
};

#define sim_hlist_set(pp, v)	__atomic_store_n(pp, v, SIM_RELAXED)
#define sim_hlist_get(pp)	__atomic_load_n(pp, SIM_RELAXED)

static inline void INIT_HLIST_NODE(struct hlist_node *n)
{
	sim_hlist_set(&n->next, NULL);
	n->pprev = NULL;
}

static inline bool hlist_unhashed(const struct hlist_node *n)
{
	return n->pprev == NULL;
}

static inline bool hlist_empty(const struct hlist_head *h)
{
	return sim_hlist_get(&h->first) == NULL;
}

static inline void hlist_add_head(struct hlist_node *n, struct hlist_head *h)
{
	struct hlist_node *second = sim_hlist_get(&h->first);

	sim_assert(!n->pprev);
	sim_hlist_set(&n->next, second);
	n->pprev = &h->first;
	if (second)
		second->pprev = &n->next;
	sim_hlist_set(&h->first, n);
}

static inline void hlist_del_init(struct hlist_node *n)
{
	struct hlist_node *next;

	if (!n->pprev)
		return;
	next = sim_hlist_get(&n->next);
	sim_hlist_set(n->pprev, next);
	if (next)
		next->pprev = n->pprev;
	INIT_HLIST_NODE(n);
}

#define sim_hlist_entry(p, type, member)				\
({									\
	struct hlist_node *__p = (p);					\
	__p ? container_of(__p, type, member) : NULL;			\
})

#define hlist_for_each_entry(pos, head, member)				\
	for (pos = sim_hlist_entry(sim_hlist_get(&(head)->first),	\
				   typeof(*pos), member);		\
	     pos;							\
	     pos = sim_hlist_entry(sim_hlist_get(&pos->member.next),	\
				   typeof(*pos), member))

#define hlist_for_each_entry_safe(pos, n, head, member)			\
	for (pos = sim_hlist_entry(sim_hlist_get(&(head)->first),	\
				   typeof(*pos), member);		\
	     pos && ((n = sim_hlist_get(&pos->member.next)), true);	\
	     pos = sim_hlist_entry(n, typeof(*pos), member))

#endif
