/* owner.c - the first owner at the first start: from the environment, else by a setup link. */
#include "app/owner.h"
#include "base/secret.h"
#include <stdio.h>
#include <stdlib.h>

enum { OWNER_TEXT_BYTES = 512 };

/* NAME, or what is in the file that NAME_FILE names, without the end of its line. */
static bool read_variable(const char *name, char text[OWNER_TEXT_BYTES], struct fault *fault)
{
    char file_name[64];
    const char *value = getenv(name);
    snprintf(file_name, sizeof file_name, "%s_FILE", name);
    const char *path = getenv(file_name);
    text[0] = '\0';
    if (value != NULL)
        return (size_t)snprintf(text, OWNER_TEXT_BYTES, "%s", value) < OWNER_TEXT_BYTES;
    if (path == NULL || path[0] == '\0')
        return true;
    FILE *file = fopen(path, "re");
    size_t const len = file != NULL ? fread(text, 1, OWNER_TEXT_BYTES - 1, file) : 0;
    text[len] = '\0';
    text[strcspn(text, "\r\n")] = '\0';
    if (file != NULL)
        fclose(file);
    if (text[0] != '\0')
        return true;
    fault_set(fault, ERR_CONFIG_INVALID, "%s: %s cannot be read, or is empty", file_name, path);
    return false;
}

enum err owner_from_environment(struct admin *admin, struct fault *fault)
{
    char email[OWNER_TEXT_BYTES], password[OWNER_TEXT_BYTES];
    enum err err = ERR_OK;
    if (!read_variable("COTA_OWNER_EMAIL", email, fault) ||
        !read_variable("COTA_OWNER_PASSWORD", password, fault))
        err = ERR_CONFIG_INVALID;
    else if (email[0] != '\0' && password[0] != '\0')
        err = admin_owner_make(admin, str_of(email), str_of(password), fault);
    else if (email[0] != '\0' || password[0] != '\0')
        err = fault_set(fault, ERR_CONFIG_INVALID,
                        "COTA_OWNER_EMAIL and COTA_OWNER_PASSWORD (or …_FILE) go together");
    secret_zero(password, sizeof password);
    return err;
}
