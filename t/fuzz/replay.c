/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz entry point over files, without a fuzzer: what once went wrong is tried in each
 * make check. An argument is a file or a directory of files; each argument is one test.
 */
#include <apr_file_info.h>
#include <apr_file_io.h>
#include <apr_general.h>
#include <apr_strings.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Hand one file over in memory of exactly its size, so that reading past it is noticed. */
static int replay_file(apr_pool_t *parent, const char *path)
{
    apr_pool_t *pool;
    apr_file_t *file;
    apr_finfo_t info;
    apr_size_t size = 0;
    void *data;
    int good;

    apr_pool_create(&pool, parent);
    good = apr_file_open(&file, path, APR_FOPEN_READ | APR_FOPEN_BINARY, 0, pool) == APR_SUCCESS
           && apr_file_info_get(&info, APR_FINFO_SIZE, file) == APR_SUCCESS;
    if (good) {
        data = malloc((size_t)info.size);
        good = info.size == 0
               || (data && apr_file_read_full(file, data, (apr_size_t)info.size, &size)
                               == APR_SUCCESS);
        if (good)
            LLVMFuzzerTestOneInput(data, size);
        free(data);
    }
    if (!good)
        printf("# cannot read %s\n", path);
    apr_pool_destroy(pool);
    return good;
}

/* Returns how many files were replayed, or -1. */
static int replay(apr_pool_t *pool, const char *path)
{
    apr_dir_t *dir;
    apr_finfo_t info;
    int count = 0;

    if (apr_dir_open(&dir, path, pool) != APR_SUCCESS)
        return replay_file(pool, path) ? 1 : -1;
    while (count >= 0 && apr_dir_read(&info, APR_FINFO_NAME, dir) == APR_SUCCESS) {
        if (info.name[0] == '.')
            continue;
        count = replay_file(pool, apr_pstrcat(pool, path, "/", info.name, NULL)) ? count + 1 : -1;
    }
    apr_dir_close(dir);
    return count;
}

int main(int argc, char **argv)
{
    apr_pool_t *pool;
    int i, failed = 0;

    apr_initialize();
    apr_pool_create(&pool, NULL);
    printf("1..%d\n", argc - 1);
    for (i = 1; i < argc; i++) {
        int count = replay(pool, argv[i]);

        fflush(stdout); /* the next file may be the one that ends us */
        failed += count < 1;
        printf("%sok %d - %s: %d files\n", count < 1 ? "not " : "", i, argv[i], count);
    }
    apr_terminate();
    return failed != 0;
}
