/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ordinary JSON. Whatever is not plainly right is refused here and left to jansson, so that this
 * decides nothing: it must only never accept what jansson would not, or make something else of it.
 */
#include "sso_json_read.h"

#include <string.h>

#define NAME_MAX_BYTES 64 /* of a member; longer ones are not ordinary */
#define DIGITS_SAFE    18 /* any such number fits 64 bits */

typedef struct reader_t {
    const char *at, *end;
    int depth; /* levels that are left */
} reader_t;

typedef struct string_t {
    const char *start;
    apr_size_t length;
    int ascii;
} string_t;

/* The bytes that end the plain part of a string: the quote, and what is not ordinary. */
static int is_plain(unsigned char c)
{
    return c >= 0x20 && c != '"' && c != '\\';
}

/* The next byte that is not white space, or 0; a NUL in the text is as good as its end. */
static char peek(reader_t *reader)
{
    while (reader->at < reader->end
           && (*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\r'
               || *reader->at == '\t'))
        reader->at++;
    return reader->at < reader->end ? *reader->at : '\0';
}

/* A byte that must come next. */
static int take(reader_t *reader, char wanted)
{
    if (peek(reader) != wanted)
        return 0;
    reader->at++;
    return 1;
}

/* A string without escapes; at its quote. */
static int take_string(reader_t *reader, string_t *string)
{
    const char *c;
    unsigned char all = 0;

    if (!take(reader, '"'))
        return 0;
    for (c = reader->at; c < reader->end && is_plain((unsigned char)*c); c++)
        all |= (unsigned char)*c;
    if (c == reader->end || *c != '"')
        return 0;
    string->start = reader->at;
    string->length = (apr_size_t)(c - reader->at);
    string->ascii = all < 0x80;
    reader->at = c + 1;
    return 1;
}

static json_t *read_string(reader_t *reader)
{
    string_t string;

    if (!take_string(reader, &string))
        return NULL;
    return string.ascii ? json_stringn_nocheck(string.start, string.length)
                        : json_stringn(string.start, string.length); /* NULL: not UTF-8 */
}

/* A whole number from 0. */
static json_t *read_number(reader_t *reader)
{
    const char *start = reader->at;
    json_int_t sum = 0;

    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
        if (reader->at - start == DIGITS_SAFE)
            return NULL;
        sum = sum * 10 + (*reader->at - '0');
    }
    if (reader->at == start || (*start == '0' && reader->at - start > 1))
        return NULL;
    return json_integer(sum); /* a fraction or exponent is what nobody expects next */
}

static json_t *read_word(reader_t *reader)
{
    static const struct {
        const char *word;
        apr_size_t length;
        json_t *(*make)(void);
    } words[] = {
        { "true", 4, json_true },
        { "false", 5, json_false },
        { "null", 4, json_null },
    };
    apr_size_t i, left = (apr_size_t)(reader->end - reader->at);

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (words[i].length <= left && !memcmp(reader->at, words[i].word, words[i].length)) {
            reader->at += words[i].length;
            return words[i].make(); /* a letter after it is what nobody expects next */
        }
    }
    return NULL;
}

static json_t *read_value(reader_t *reader);

static int read_element(reader_t *reader, json_t *array)
{
    json_t *value = read_value(reader);

    return value && json_array_append_new(array, value) == 0;
}

static int read_member(reader_t *reader, json_t *object)
{
    char name[NAME_MAX_BYTES + 1];
    apr_size_t before = json_object_size(object);
    string_t string;
    json_t *value;

    if (!take_string(reader, &string) || !string.ascii || string.length > NAME_MAX_BYTES
        || !take(reader, ':') || !(value = read_value(reader)))
        return 0;
    memcpy(name, string.start, string.length);
    name[string.length] = '\0';
    return json_object_set_new_nocheck(object, name, value) == 0
           && json_object_size(object) == before + 1; /* else it is there twice */
}

/* What stands between two brackets; at the first. */
static json_t *read_list(reader_t *reader, json_t *list, char close,
                         int (*read_one)(reader_t *reader, json_t *list))
{
    int right = list && reader->depth-- > 0;

    reader->at++;
    if (right && !take(reader, close)) {
        do
            right = read_one(reader, list);
        while (right && take(reader, ','));
        right = right && take(reader, close);
    }
    reader->depth++;
    if (right)
        return list;
    json_decref(list);
    return NULL;
}

static json_t *read_value(reader_t *reader)
{
    switch (peek(reader)) {
    case '{':
        return read_list(reader, json_object(), '}', read_member);
    case '[':
        return read_list(reader, json_array(), ']', read_element);
    case '"':
        return read_string(reader);
    case 't':
    case 'f':
    case 'n':
        return read_word(reader);
    default:
        return read_number(reader);
    }
}

json_t *sso_json_read(const char *text, apr_size_t length, int depth_max)
{
    reader_t reader = { text, text + length, depth_max };
    char first = peek(&reader);
    json_t *value = first == '{' || first == '[' ? read_value(&reader) : NULL;

    peek(&reader);
    if (reader.at == reader.end)
        return value;
    json_decref(value); /* something follows */
    return NULL;
}
