/* datadir.c - makes and checks the files that must not be read by others. */
#include "app/datadir.h"
#include "base/must.h"
#include "base/random.h"
#include "codec/base64.h"
#include "codec/fernet.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_BYTES = 32, OTHERS = 077 };

static enum err refuse(struct fault *fault, const char *what, const char *path)
{
    return fault_set(fault, ERR_CONFIG_INVALID, "%s: %s: %s", path, what, strerror(errno));
}

static bool join(char out[DATADIR_PATH_BYTES], const char *dir, const char *name)
{
    int const len = snprintf(out, DATADIR_PATH_BYTES, "%s/%s", dir, name);
    return len > 0 && len < DATADIR_PATH_BYTES;
}

/* Each missing folder of the path, the last with 0700. */
static enum err make_folders(char *path, struct fault *fault)
{
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        int const made = mkdir(path, 0755);
        int const why = errno;
        *at = '/';
        if (made != 0 && why != EEXIST)
            break; /* the last mkdir says it better */
    }
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return refuse(fault, "cannot be made", path);
    struct stat info;
    if (stat(path, &info) != 0)
        return refuse(fault, "cannot be read", path);
    if (!S_ISDIR(info.st_mode))
        return fault_set(fault, ERR_CONFIG_INVALID, "%s is not a folder", path);
    if ((info.st_mode & 022) != 0)
        return fault_set(fault, ERR_CONFIG_INVALID,
                         "%s may be written by others; make it yours: chmod 700", path);
    return ERR_OK;
}

/* The whole of a small secret file. *len 0 and ERR_OK: it does not exist. */
static enum err read_secret(const char *path, char *bytes, size_t size, size_t *len,
                            struct fault *fault)
{
    struct stat info;
    *len = 0;
    int const file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0)
        return errno == ENOENT ? ERR_OK : refuse(fault, "cannot be opened", path);
    enum err err = ERR_OK;
    ssize_t got = 0;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))
        err = fault_set(fault, ERR_CONFIG_INVALID, "%s is not a plain file", path);
    else if ((info.st_mode & OTHERS) != 0)
        err = fault_set(fault, ERR_CONFIG_INVALID,
                        "%s may be read by others; whoever did may have copied it. If nobody did: "
                        "chmod 600",
                        path);
    else if ((got = read(file, bytes, size)) <= 0)
        err = fault_set(fault, ERR_CONFIG_INVALID, "%s is empty or cannot be read", path);
    close(file);
    *len = err == ERR_OK ? (size_t)got : 0;
    return err;
}

static enum err write_secret(const char *path, struct str bytes, struct fault *fault)
{
    int const file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0)
        return refuse(fault, "cannot be made", path);
    bool const good = write(file, bytes.ptr, bytes.len) == (ssize_t)bytes.len && fsync(file) == 0;
    enum err const err = good ? ERR_OK : refuse(fault, "cannot be written", path);
    close(file);
    if (err != ERR_OK)
        unlink(path);
    return err;
}

static enum err load_pepper(struct datadir *dir, struct fault *fault)
{
    char path[DATADIR_PATH_BYTES], bytes[PEPPER_BYTES + 1];
    size_t len;
    if (!join(path, dir->path, "secret.key"))
        return fault_set(fault, ERR_CONFIG_INVALID, "%s is too long", dir->path);
    enum err err = read_secret(path, bytes, sizeof bytes, &len, fault);
    if (err != ERR_OK)
        return err;
    if (len == PEPPER_BYTES) {
        memcpy(dir->pepper, bytes, PEPPER_BYTES);
    } else if (len != 0) {
        err = fault_set(fault, ERR_CONFIG_INVALID, "%s must have %d bytes: it is damaged", path,
                        PEPPER_BYTES);
    } else if (access(dir->database, F_OK) == 0 || access(dir->journal, F_OK) == 0) {
        err = fault_set(fault, ERR_CONFIG_INVALID,
                        "%s is missing, but a database is there: without it no stored key can be "
                        "checked. Bring it back from the backup",
                        path);
    } else {
        random_secret(dir->pepper, sizeof dir->pepper);
        err = write_secret(path, str_make((char *)dir->pepper, sizeof dir->pepper), fault);
    }
    secret_zero(bytes, sizeof bytes);
    return err;
}

void datadir_token_make(const char *prefix, struct secret *secret)
{
    char bytes[TOKEN_BYTES];
    size_t const len = strlen(prefix), encoded = base64_encoded_len(sizeof bytes);
    MUST(len + encoded <= sizeof secret->bytes);
    random_secret(bytes, sizeof bytes);
    memcpy(secret->bytes, prefix, len);
    base64_encode(str_make(bytes, sizeof bytes), BASE64_URL, secret->bytes + len);
    secret->len = len + encoded;
    while (secret->bytes[secret->len - 1] == '=')
        secret->len--;
    secret_zero(bytes, sizeof bytes);
}

static enum err load_token(struct datadir *dir, struct str configured, struct fault *fault)
{
    char path[DATADIR_PATH_BYTES], bytes[KEY_SECRET_BYTES_MAX];
    size_t len;
    if (configured.len > 0)
        return secret_set(&dir->admin_token, configured);
    if (!join(path, dir->path, "admin.token"))
        return fault_set(fault, ERR_CONFIG_INVALID, "%s is too long", dir->path);
    enum err err = read_secret(path, bytes, sizeof bytes, &len, fault);
    if (err != ERR_OK)
        return err;
    if (len == 0) {
        datadir_token_make("adm_", &dir->admin_token);
        return write_secret(path, secret_view(&dir->admin_token), fault);
    }
    while (len > 0 && (bytes[len - 1] == '\n' || bytes[len - 1] == '\r'))
        len--;
    if (len < KEY_SECRET_BYTES_MIN)
        err = fault_set(fault, ERR_CONFIG_INVALID, "%s is too short to be a token", path);
    else
        err = secret_set(&dir->admin_token, str_make(bytes, len));
    secret_zero(bytes, sizeof bytes);
    return err;
}

enum err datadir_open(struct str path, struct str token, struct datadir *dir, struct fault *fault)
{
    *dir = (struct datadir){0};
    struct str trimmed = path;
    while (trimmed.len > 1 && trimmed.ptr[trimmed.len - 1] == '/')
        trimmed.len--;
    int const len = snprintf(dir->path, sizeof dir->path, "%.*s", STR_ARG(trimmed));
    if (len <= 0 || (size_t)len >= sizeof dir->path || !join(dir->journal, dir->path, "journal") ||
        !join(dir->database, dir->path, "cota.db") || !join(dir->socket, dir->path, "cota.sock"))
        return fault_set(fault, ERR_CONFIG_INVALID, "data_dir is too long");
    enum err err = make_folders(dir->path, fault);
    if (err == ERR_OK)
        err = load_pepper(dir, fault);
    if (err == ERR_OK)
        err = load_token(dir, token, fault);
    if (err != ERR_OK)
        datadir_wipe(dir);
    return err;
}

void datadir_wipe(struct datadir *dir)
{
    secret_zero(dir->pepper, sizeof dir->pepper);
    secret_wipe(&dir->admin_token);
}

enum err datadir_ring_key(const char *directory, struct secret *key, struct fault *fault)
{
    char path[DATADIR_PATH_BYTES];
    key->len = 0;
    if (!join(path, directory, "encryption.key"))
        return fault_set(fault, ERR_CONFIG_INVALID, "%s is too long", directory);
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return refuse(fault, "cannot be made", directory);
    enum err err = read_secret(path, key->bytes, sizeof key->bytes, &key->len, fault);
    if (err == ERR_OK && key->len == 0) {
        key->len = FERNET_KEY_TEXT_BYTES;
        fernet_key_make(key->bytes);
        err = write_secret(path, secret_view(key), fault);
    }
    return err;
}
