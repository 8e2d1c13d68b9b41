/* memory_basis.c - what decisions rested on, in the memory backend. */
#include "store/memory/memory_int.h"

static const struct basis_row *find(const struct memory_store *self, uint64_t name)
{
    const struct basis_row *rows = self->tables[TABLE_BASIS].rows;
    for (size_t i = 0; i < self->tables[TABLE_BASIS].count; i++)
        if (rows[i].name == name)
            return &rows[i];
    return NULL;
}

static enum err basis_put(struct store *store, const struct basis_row *row, struct fault *fault)
{
    struct memory_store *self = (struct memory_store *)(void *)store;
    struct basis_row copy = *row;
    bool ok = true;
    if (find(self, row->name) != NULL)
        return ERR_OK;
    memory_own(self, &copy.text, &ok);
    return memory_row_put(self, TABLE_BASIS, NULL, &copy, ok, fault);
}

static enum err basis_read(struct store *store, uint64_t name, basis_visit *visit, void *owner,
                           struct fault *fault)
{
    struct memory_store *self = (struct memory_store *)(void *)store;
    (void)fault;
    pthread_mutex_lock(&self->mutex);
    const struct basis_row *row = find(self, name);
    if (row != NULL)
        (void)visit(owner, row);
    pthread_mutex_unlock(&self->mutex);
    return ERR_OK;
}

void memory_basis_fill(struct store_ops *ops)
{
    ops->basis_put = basis_put;
    ops->basis = basis_read;
}
