/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SSO_ANSWER_H
#define SSO_ANSWER_H

/*
 * The one door: given a plain request, a configuration, and the outside world behind ports, what
 * is the answer? All of it can run in a plain C program.
 */

#include "sso_provider.h"
#include "sso_session.h"

#define SSO_BODY_MAX (64 * 1024) /* of a request to the module's own URLs */

typedef struct sso_request_t {
    const sso_site_t *site;
    const sso_config_t *place;   /* the record in effect at this path */
    const char *method;
    const char *origin;          /* of this site as the browser knows it: scheme://host[:port] */
    const char *path;            /* decoded, dot segments resolved */
    const char *query;           /* raw, or NULL */
    /* path and query as the browser sent them: where to come back to */
    const char *target;
    const char *cookies;         /* the Cookie header, or NULL */
    const char *peer;            /* the IP address of the client, or NULL */
    /* path of the protected resource it belongs to (EdxSSOProtectedResource), or NULL */
    const char *resource;
    apr_table_t *headers;        /* of the request */
    /*
     * Read the body, of limit bytes at most; a NUL follows it. SSO_BAD_INPUT: longer, or broken
     * off.
     */
    sso_rc_e (*read_body)(sso_ctx_t *ctx, void *baton, apr_size_t limit, sso_bytes_t *body);
    const char *replay; /* SSO_REPLAY_PARAMETER, which is not in the query any more; or NULL */
    /* The value of an expression (EdxSSOAuthParam) for this request; NULL: it has none. */
    const char *(*expand)(sso_ctx_t *ctx, void *baton, const char *expression);
    void *baton;
} sso_request_t;

typedef enum {
    SSO_ANSWER_PASS,   /* let it through: as session->..., or as nobody where session is NULL */
    SSO_ANSWER_RESPOND /* send this instead */
} sso_answer_e;

typedef struct sso_answer_t {
    sso_answer_e what;
    const sso_session_t *session;
    int bearer;           /* the session is that of a token in the Authorization header */
    const sso_kept_t *tokens; /* that the app behind may get, or NULL */
    int status;
    const char *content_type, *body; /* body may be "" */
    apr_size_t body_length; /* of a body that is no text; 0: it ends at its NUL */
    apr_table_t *headers; /* to add; several Set-Cookie are possible */
    const char *retry;    /* of a failure: where the page's link leads, or NULL */
    const char *retry_label; /* what the link says; NULL: "Try again" */
    const char *binding;  /* of a browser that had none before this answer, or NULL */
    const struct sso_replay_t *replay; /* PASS: what takes the place of the body, or NULL */
    const char *error_id; /* in the body and for the log line, or NULL */
} sso_answer_t;

/** Whether a path is one of the module's own. */
int sso_answer_owns(const sso_site_t *site, const char *path);

/**
 * Whether one of the module's own URLs is a place like any other, which who may come to has to be
 * found out first: the ID mapping, where EdxSSOIDMappingService is on. All others are for
 * everybody.
 */
int sso_answer_guarded(const sso_site_t *site, const sso_config_t *place, const char *path);

/**
 * Answer a request to one of the module's own URLs. Always fills @a answer; a failure has been
 * turned into a page or JSON, and is still in ctx->err for the log.
 */
void sso_answer_own(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer);

/** Answer a request to a place that needs sign-in (AuthType edxsso). As sso_answer_own(). */
void sso_answer_place(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer);

/** Answer somebody who is signed in and not let in. As sso_answer_own(). */
void sso_answer_refuse(sso_ctx_t *ctx, const sso_request_t *request, const sso_session_t *session,
                       sso_answer_t *answer);

/**
 * The same for a client with a bearer token.
 * @param scope  what the token would have to have in its scope; NULL: that is not what it lacks
 */
void sso_answer_refuse_bearer(sso_ctx_t *ctx, const sso_request_t *request,
                              const sso_session_t *session, const char *scope,
                              sso_answer_t *answer);

/**
 * Answer a request that was let through without a user (EdxSSOUnauthenticated pass) to where it
 * turned out to need one. As sso_answer_own().
 */
void sso_answer_demand(sso_ctx_t *ctx, const sso_request_t *request, sso_answer_t *answer);

/** Whether it is a CORS preflight that the place lets through (EdxSSOPreflight). */
int sso_request_preflight(const sso_request_t *request);

/* ---- shared by the flows ---- */

/** An answer with nothing in it: PASS, without a session. */
void sso_answer_start(sso_ctx_t *ctx, sso_answer_t *answer);

/** Read one; SSO_ABSENT, or SSO_DENIED when two different ones came. */
sso_rc_e sso_request_cookie(sso_ctx_t *ctx, const sso_request_t *request, sso_cookie_e which,
                            const char **value);

/** Set one; @a value "" deletes it. */
void sso_answer_cookie(sso_ctx_t *ctx, const sso_request_t *request, sso_cookie_e which,
                       const char *value, sso_answer_t *answer);

/** The same under another name: a piece of one. */
void sso_answer_cookie_as(sso_ctx_t *ctx, const sso_request_t *request, sso_cookie_e which,
                          const char *name, const char *value, sso_answer_t *answer);

/** Whether the origin is https. */
int sso_request_secure(const sso_request_t *request);

/** Whether the body is a form, not of parts (application/x-www-form-urlencoded). */
int sso_request_is_form(const sso_request_t *request);

/** Whether a browser is opening a page, as opposed to a script fetching something. */
int sso_request_navigates(const sso_request_t *request);

/** The session a request comes with. SSO_ABSENT: none; SSO_UPSTREAM: the store cannot be asked. */
sso_rc_e sso_request_session(sso_ctx_t *ctx, const sso_request_t *request, int touch,
                             const sso_session_t **session);

/** The same when the session cookie's value is known. */
sso_rc_e sso_request_session_of(sso_ctx_t *ctx, const sso_request_t *request, const char *id,
                                int touch, const sso_session_t **session);

/**
 * Whether a request with an effect comes from this site itself (Sec-Fetch-Site, Origin, Referer);
 * @a unknown if none of them is there, or it comes from no page at all (Sec-Fetch-Site: none).
 */
int sso_request_same_origin(sso_ctx_t *ctx, const sso_request_t *request, int unknown);

/** Judge a return address; the module's own URLs become "/". */
sso_rc_e sso_request_return(sso_ctx_t *ctx, const sso_request_t *request, const char *text,
                            const char **absolute);

/** Add those parameters of EdxSSOAuthParam or EdxSSOTokenParam that have a value to a form. */
void sso_request_params(sso_ctx_t *ctx, const sso_request_t *request, const apr_table_t *params,
                        sso_form_t *form);

/** Redirect: 302 after GET and HEAD, else 303. */
void sso_answer_redirect(sso_ctx_t *ctx, const sso_request_t *request, const char *url,
                         sso_answer_t *answer);

/** Answer with JSON, never stored. */
void sso_answer_json(sso_ctx_t *ctx, int status, const char *text, sso_answer_t *answer);

/** The absolute URL of one of the module's own paths, with a query (NULL: none). */
const char *sso_own_url(sso_ctx_t *ctx, const sso_request_t *request, const char *path,
                        const char *form_text);

#endif
