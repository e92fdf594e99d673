/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of pages/, as build/pages.pl has put them into the program.
 */
#include "sso_pages.h"

#include <string.h>

typedef struct file_t {
    const char *name;
    const unsigned char *text; /* ends with a NUL */
} file_t;

#include "page_files.inc" /* files[] */

const char *sso_pages_built_in(const char *name)
{
    unsigned i;

    for (i = 0; i < SSO_COUNT(files); i++)
        if (!strcmp(files[i].name, name))
            return (const char *)files[i].text;
    return NULL;
}

const char *sso_pages_name(int number)
{
    return number >= 0 && number < (int)SSO_COUNT(files) ? files[number].name : NULL;
}
