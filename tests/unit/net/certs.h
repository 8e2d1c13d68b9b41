/* certs.h - certificates made on the spot, for the tests of TLS.
 *
 * What:  an authority and what it signs, written as PEM files into a fresh folder.
 */
#pragma once
#include "base/str.h"
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka needs some of the above */
#include <cmocka.h>

struct cert_order {
    const char *name;       /* of the files: folder/name.crt, folder/name.key */
    const char *common;     /* CN */
    const char *alternates; /* subjectAltName, e.g. "DNS:localhost"; NULL: none */
    long from_s, until_s;   /* relative to now */
    const EVP_MD *digest;
    bool self_signed, authority;
};

struct certs {
    char folder[64];
    X509 *ca;
    EVP_PKEY *ca_key;
    char paths[16][96]; /* what cert_path handed out */
    size_t path_count;
};

static struct str cert_path(struct certs *certs, const char *name, const char *suffix)
{
    char *path = certs->paths[certs->path_count++ % 16];
    char folder[sizeof certs->folder]; /* a copy: gcc sees that folder and paths share a struct */
    memcpy(folder, certs->folder, sizeof folder);
    snprintf(path, 96, "%s/%s.%s", folder, name, suffix);
    return str_of(path);
}

static void cert_extend(X509 *cert, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(cert, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

static void cert_make(struct certs *certs, const struct cert_order *order)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    assert_true(key && cert);
    static long serial = 1;
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(cert), order->from_s);
    X509_gmtime_adj(X509_getm_notAfter(cert), order->until_s);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)order->common, -1, -1, 0);
    X509 *issuer = order->self_signed ? cert : certs->ca;
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    cert_extend(cert, issuer, NID_basic_constraints,
                order->authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (order->alternates)
        cert_extend(cert, issuer, NID_subject_alt_name, order->alternates);
    EVP_PKEY *signer = order->self_signed ? key : certs->ca_key;
    assert_true(X509_sign(cert, signer, order->digest ? order->digest : EVP_sha256()) > 0);

    FILE *file = fopen(cert_path(certs, order->name, "crt").ptr, "w");
    assert_int_equal(PEM_write_X509(file, cert), 1);
    fclose(file);
    file = fopen(cert_path(certs, order->name, "key").ptr, "w");
    assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    fclose(file);
    if (order->authority) {
        certs->ca = cert;
        certs->ca_key = key;
        return;
    }
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void certs_open(struct certs *certs)
{
    *certs = (struct certs){.folder = "/tmp/cota-test-tls-XXXXXX"};
    assert_non_null(mkdtemp(certs->folder));
    cert_make(certs, &(struct cert_order){.name = "ca",
                                          .common = "Test Authority",
                                          .from_s = -60,
                                          .until_s = 3600,
                                          .self_signed = true,
                                          .authority = true});
}

static void certs_close(struct certs *certs, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        unlink(cert_path(certs, names[i], "crt").ptr);
        unlink(cert_path(certs, names[i], "key").ptr);
    }
    rmdir(certs->folder);
    X509_free(certs->ca);
    EVP_PKEY_free(certs->ca_key);
}
