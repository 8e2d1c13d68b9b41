/* test_store_memory.c - the memory backend keeps the contract of store.h. */
#include "../../contract/store_contract.c"

int main(void)
{
    struct store_contract const memory = {.open_fresh = store_memory_open};
    return store_contract_run(&memory);
}
