#include "facts.h"

uint64_t facts_hash(const char *text, size_t length) {
    uint64_t hash = FACTS_START;
    for (size_t i = 0; i < length; i++) hash = facts_step(hash, text[i]);
    return hash;
}

/* 0: nothing may be remembered of this area. */
static uint64_t key_of(const struct view *view, const struct area *area, enum fact fact, uint64_t hash) {
    uint64_t generation = 0;
    if ((area->kind & AREA_FIXED) == 0) {
        if (view->generation == NULL) return 0;
        generation = __atomic_load_n(view->generation, __ATOMIC_ACQUIRE) + 1;
    }
    hash ^= (generation << 8 | (unsigned)fact) * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 32;
    hash *= 0xD6E8FEB86659FD93ULL;
    return (hash ^ hash >> 32) | 1;
}

bool facts_known(const struct view *view, const struct area *area, enum fact fact, uint64_t hash) {
    uint64_t key = key_of(view, area, fact, hash);
    uint64_t slot = key >> 32 & (FACTS_ROOM - 1);
    return key != 0 && (__atomic_load_n(&view->facts[slot], __ATOMIC_RELAXED) == key ||
                        __atomic_load_n(&view->facts[slot ^ 1], __ATOMIC_RELAXED) == key);
}

void facts_learn(struct view *view, const struct area *area, enum fact fact, uint64_t hash) {
    uint64_t key = key_of(view, area, fact, hash);
    if (key == 0) return;
    uint64_t slot = key >> 32 & (FACTS_ROOM - 1);
    if (__atomic_load_n(&view->facts[slot], __ATOMIC_RELAXED) != 0) slot ^= key >> 63; /* either of two may be lost */
    __atomic_store_n(&view->facts[slot], key, __ATOMIC_RELAXED);
}

void facts_changed(struct view *view) {
    if (view->generation != NULL) __atomic_fetch_add((uint64_t *)view->generation, 1, __ATOMIC_RELEASE);
}
