/* apply.h - puts a configuration into force: the catalogue, and the customers of the file.
 *
 * Rules: book calls block on the disk: not on a loop.
 */
#pragma once
#include "app/config.h"
#include "app/jwks.h"
#include "gateway/gateway.h"
#include "govern/own_key.h"

/* A fresh catalogue with one reference. ERR_CONFIG_INVALID, ERR_NO_MEMORY. */
NODISCARD enum err apply_catalog(const struct config *config, struct clock *clock,
                                 struct catalog **catalog, struct fault *fault);
/* Customers and keys of the file are made or changed, those that left it are suspended or revoked,
 * credit is granted once per customer. Items made at run time are left alone. */
NODISCARD enum err apply_customers(const struct config *config, struct book *book,
                                   struct fault *fault);
/* Who may call with a JWT; *verifier NULL: nobody. Of jwks_url, what `jwks` has fetched until now.
 * ERR_CONFIG_INVALID: the keys cannot be read. */
NODISCARD enum err apply_verifier(const struct config *config, struct jwks *jwks,
                                  struct verifier **verifier, struct fault *fault);
/* The section `jwt` as jwks_configure takes it; views. */
struct jwks_source apply_jwks_source(const struct config *config);
/* The ring that seals customers' own provider keys; those that are stored are read again. */
void apply_ring(const struct config *config, struct own_keys *own_keys);
