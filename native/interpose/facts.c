#include "facts.h"

uint64_t facts_hash(const char *text, size_t length) {
    uint64_t hash = FACTS_START;
    for (size_t i = 0; i < length; i++) hash = facts_step(hash, text[i]);
    return hash;
}

uint64_t facts_now(const struct view *view) { return __atomic_load_n(&view->facts->generation, __ATOMIC_ACQUIRE); }

/* 0: nothing may be remembered of this area. */
static uint64_t key_of(const struct area *area, enum fact fact, uint64_t hash, uint64_t generation) {
    if ((area->kind & AREA_FIXED) != 0) generation = 0;
    else if (generation == 0) return 0;
    hash ^= (generation << 8 | (unsigned)fact) * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 32;
    hash *= 0xD6E8FEB86659FD93ULL;
    return (hash ^ hash >> 32) | 1;
}

bool facts_known(const struct view *view, const struct area *area, enum fact fact, uint64_t hash) {
    uint64_t key = key_of(area, fact, hash, facts_now(view)), slot = key >> 32 & (FACTS_ROOM - 1);
    const uint64_t *known = view->facts->known;
    return key != 0 && (__atomic_load_n(&known[slot], __ATOMIC_RELAXED) == key ||
                        __atomic_load_n(&known[slot ^ 1], __ATOMIC_RELAXED) == key);
}

void facts_learn(const struct view *view, const struct area *area, enum fact fact, uint64_t hash, uint64_t generation) {
    uint64_t key = key_of(area, fact, hash, generation), slot = key >> 32 & (FACTS_ROOM - 1);
    uint64_t *known = view->facts->known;
    if (key == 0) return;
    if (__atomic_load_n(&known[slot], __ATOMIC_RELAXED) != 0) slot ^= key >> 63; /* one of the two is forgotten */
    __atomic_store_n(&known[slot], key, __ATOMIC_RELAXED);
}

void facts_changed(const struct view *view) {
    if (view->facts == NULL || view->facts == &view->own) return;
    /* Never 0, which says that nobody counts. */
    if (__atomic_add_fetch(&view->facts->generation, 1, __ATOMIC_RELEASE) == 0) facts_changed(view);
}
