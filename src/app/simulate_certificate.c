/* simulate_certificate.c - certificates that a careful client must refuse, and one it must accept.
 *
 * Why:  made at every start with a fresh authority: no key lies in the source tree, and the good
 * one never expires on us.
 */
#include "app/simulate_int.h"
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DAY_S = 86400, SERIAL_AUTHORITY = 1, SERIAL_LEAF = 2 };

bool simulate_certificate_named(struct str name, enum simulate_certificate *certificate)
{
    static const struct str names[] = {
        [SIMULATE_CERTIFICATE_GOOD] = STR_ROW("good"),
        [SIMULATE_CERTIFICATE_EXPIRED] = STR_ROW("expired"),
        [SIMULATE_CERTIFICATE_WRONG_HOST] = STR_ROW("wrong-host"),
        [SIMULATE_CERTIFICATE_SELF_SIGNED] = STR_ROW("self-signed"),
    };
    for (size_t i = SIMULATE_CERTIFICATE_GOOD; i < sizeof names / sizeof names[0]; i++) {
        if (str_eq(name, names[i])) {
            *certificate = (enum simulate_certificate)i;
            return true;
        }
    }
    return false;
}

struct making {
    const char *name;  /* CN */
    const char *hosts; /* subjectAltName; NULL: an authority */
    long from_s, to_s; /* validity, from now */
    EVP_PKEY *key;     /* of the certificate */
    X509 *issuer;      /* NULL: signs itself */
    EVP_PKEY *issuer_key;
};

static bool add_extension(X509 *certificate, X509 *issuer, int id, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, id, value);
    bool const good = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

static bool fill(X509 *made, X509 *issuer, const struct making *what)
{
    X509_NAME *name = X509_get_subject_name(made);
    long const serial = what->hosts ? SERIAL_LEAF : SERIAL_AUTHORITY;
    return X509_set_version(made, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(made), serial) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(made), what->from_s) != NULL &&
           X509_gmtime_adj(X509_getm_notAfter(made), what->to_s) != NULL &&
           X509_set_pubkey(made, what->key) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)what->name,
                                      -1, -1, 0) == 1 &&
           X509_set_issuer_name(made, X509_get_subject_name(issuer)) == 1;
}

static bool extend(X509 *made, X509 *issuer, const struct making *what)
{
    if (!what->hosts)
        return add_extension(made, issuer, NID_basic_constraints, "critical,CA:TRUE");
    return add_extension(made, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(made, issuer, NID_subject_alt_name, what->hosts) &&
           add_extension(made, issuer, NID_ext_key_usage, "serverAuth");
}

static X509 *make(const struct making *what)
{
    X509 *made = X509_new();
    if (!made)
        return NULL;
    X509 *issuer = what->issuer ? what->issuer : made;
    EVP_PKEY *signer = what->issuer ? what->issuer_key : what->key;
    if (fill(made, issuer, what) && extend(made, issuer, what) &&
        X509_sign(made, signer, EVP_sha256()) > 0)
        return made;
    X509_free(made);
    return NULL;
}

static bool write_pem(const char *path, X509 *certificate, EVP_PKEY *key)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return false;
    bool good = true;
    if (certificate)
        good = PEM_write_X509(file, certificate) == 1;
    if (key)
        good = PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;
    return fclose(file) == 0 && good;
}

static enum err write_files(enum simulate_certificate kind, struct simulate_files *files)
{
    enum err err = ERR_INTERNAL;
    bool const expired = kind == SIMULATE_CERTIFICATE_EXPIRED;
    bool const wrong = kind == SIMULATE_CERTIFICATE_WRONG_HOST;
    struct making authority = {.name = "Simulado authority",
                               .from_s = -30 * DAY_S,
                               .to_s = 30 * DAY_S,
                               .key = EVP_EC_gen("P-256")};
    struct making leaf = {.name = wrong ? "wrong.example" : "localhost",
                          .hosts =
                              wrong ? "DNS:wrong.example" : "DNS:localhost,IP:127.0.0.1,IP:::1",
                          .from_s = expired ? -20 * DAY_S : -DAY_S,
                          .to_s = expired ? -DAY_S : 30 * DAY_S,
                          .key = EVP_EC_gen("P-256")};
    X509 *root = NULL, *made = NULL;
    if (!authority.key || !leaf.key)
        goto out;
    root = make(&authority);
    if (root && kind != SIMULATE_CERTIFICATE_SELF_SIGNED) {
        leaf.issuer = root;
        leaf.issuer_key = authority.key;
    }
    made = make(&leaf);
    if (root && made && write_pem(files->ca, root, NULL) && write_pem(files->cert, made, NULL) &&
        write_pem(files->key, NULL, leaf.key))
        err = ERR_OK;
out:
    X509_free(root);
    X509_free(made);
    EVP_PKEY_free(authority.key);
    EVP_PKEY_free(leaf.key);
    return err;
}

enum err simulate_files_new(enum simulate_certificate kind, struct simulate_files *files,
                            struct fault *fault)
{
    *files = (struct simulate_files){.folder = "/tmp/cota-simulate-XXXXXX"};
    if (!mkdtemp(files->folder)) {
        files->folder[0] = '\0';
        return fault_set(fault, ERR_CONFIG_INVALID, "cannot make a folder in /tmp");
    }
    snprintf(files->ca, sizeof files->ca, "%s/ca.pem", files->folder);
    snprintf(files->cert, sizeof files->cert, "%s/cert.pem", files->folder);
    snprintf(files->key, sizeof files->key, "%s/key.pem", files->folder);
    if (write_files(kind, files) == ERR_OK)
        return ERR_OK;
    simulate_files_remove(files);
    return fault_set(fault, ERR_CONFIG_INVALID, "cannot make a certificate");
}

void simulate_files_remove(struct simulate_files *files)
{
    if (files->folder[0] == '\0')
        return;
    unlink(files->ca);
    unlink(files->cert);
    unlink(files->key);
    rmdir(files->folder);
    *files = (struct simulate_files){0};
}
