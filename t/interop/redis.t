# SPDX-License-Identifier: Apache-2.0
# Sessions in a real Redis: what it costs, who shares them, and what happens when it is stopped, stopped
# short, slow, empty or refuses us while people are working.
use strict;
use warnings;
use File::Temp ();
use Time::HiRes ();
use EdxSSO::Test;
use EdxSSO::Httpd;
use EdxSSO::Redis;
use EdxSSO::SignIn;
use EdxSSO::Site;

my $redis = EdxSSO::Redis->new;
if (!$redis) {
    die "no redis-server\n" if $ENV{CI};
    plan(skip_all => 'needs redis-server');
}
$redis->start;
lms_reset();

my $ONE_PROCESS = "<IfModule mpm_event_module>\nStartServers 1\nServerLimit 1\nMaxRequestWorkers 16\n</IfModule>\n";
my $store = 'EdxSSOStore "' . $redis->url . "\"\n";

sub get { my ($browser, $path) = @_; return $browser->get($path // '/app/index.txt') }

sub out_of_store {
    my ($answer, $name) = @_;
    my $fine = is($answer->status, 503, "$name: 503");
    $fine &&= is($answer->header('Retry-After'), 5, "$name: Retry-After");
    is(join(' ', $answer->all('Set-Cookie')), '', "$name: no cookie is touched");
    is($answer->header('Location'), undef, "$name: no redirect");
    return $fine;
}

# ---- sign-in, restart, round trips

my $httpd = site(server => $store, more => $ONE_PROCESS, mpm => 'event')->start;
my $browser = sign_in($httpd);
ok($browser, 'signed in') or diag($httpd->log_text);
ok(!-e $httpd->dir . '/state/store.shm', 'there is no store in shared memory');
cmp_ok($redis->ask('DBSIZE'), '>=', 2, 'Redis has the session and what must not be replayed');
is(alive($httpd, cookie_of($browser)), 1, 'the session is alive');
unlike(join("\n", map { $redis->ask('GET', $_) // '' } @{ $redis->ask('KEYS', '*') }), qr/jsmith|studio/, 'Redis cannot read it');
$httpd->stop;
$httpd->start;
is(alive($httpd, cookie_of($browser)), 1, 'and after stop and start');
$httpd->graceful;
is(alive($httpd, cookie_of($browser)), 1, 'and after a graceful restart');

get($browser) for 1 .. 3; # connections are there
{
    my $fine = 0;
    my @commands = $redis->watch(sub { $fine += get($browser)->status == 200 for 1 .. 25 });
    is($fine, 25, '25 requests of a signed-in user');
    is(scalar @commands, 25, 'make 25 round trips') or diag("@commands");
    @commands = $redis->watch(sub { get($browser, '/open/index.txt') for 1 .. 5; $httpd->log_text });
    is("@commands", '', 'a place without sign-in makes none');
    @commands = $redis->watch(sub { ok(sign_in($httpd), 'a sign-in and its first request') });
    note("a sign-in and the request after it: @commands");
    cmp_ok(scalar @commands, '<=', 3, 'make three round trips at most');
    @commands = $redis->watch(sub { get(EdxSSO::Browser->new(base => $httpd->url)) });
    is("@commands", '', 'a redirect to sign in makes none');
}

# ---- two httpds, one Redis

{
    my $secret = "EdxSSOSecret \"a secret that both of these httpds know, of some length\"\n";
    my $first = site(server => $store . $secret, mpm => 'event');
    my $second = site(server => $store . $secret, more => 'ServerName localhost:' . $first->port . "\n");
    $_->start for $first, $second;
    my $user = sign_in($first);
    my $cookie = cookie_of($user);
    is(alive($second, $cookie), 1, 'another httpd with the same secret and ServerName sees the session');
    my $there = EdxSSO::Browser->new(base => $second->url);
    $there->set_cookie("$cookie; Path=/");
    my $answer = $there->get('/edxsso/logout?no_redirect=1');
    is($answer->status, 200, 'logout there') or diag($answer->status . ' ' . $answer->body);
    is(alive($first, $cookie) + alive($second, $cookie), 0, 'ends it at both');

    my $stranger = site(server => $store, more => 'ServerName localhost:' . $first->port . "\n")->start;
    my $other = sign_in($first);
    is(alive($stranger, cookie_of($other)), 0, 'a httpd with another secret does not');
    my $elsewhere = site(server => $store . $secret)->start;
    is(alive($elsewhere, cookie_of($other)), 0, 'nor does one with another ServerName');
}

# ---- by its socket, as of a database

{
    my $user;
    my $site = site(server => 'EdxSSOStore "' . $redis->unix_url . "?db=3\"\n")->start;
    ok($user = sign_in($site), 'by the Unix socket') or diag($site->log_text);
    like($redis->ask('INFO', 'keyspace'), qr/^db3:keys=/m, 'into the database that was named');
}

# ---- stopped and started in mid-traffic

{
    my $site = site(server => $store, mpm => 'event')->start;
    my @cookies = map { cookie_of(sign_in($site)) } 1 .. 4;
    my $load = load($site, @cookies, { clients => 3 });
    my $open = EdxSSO::Load->start(port => $site->port, path => '/open/index.txt', clients => 1);
    select undef, undef, undef, 0.5;
    my $calls = lms_calls('/oauth2/authorize');
    $redis->stop;
    my $user = EdxSSO::Browser->new(base => $site->url);
    $user->set_cookie("$cookies[0]; Path=/");
    ok($site->wait_until(sub { get($user)->status == 503 }), 'Redis is gone: seen');
    out_of_store(get($user), 'Redis is gone');
    is($user->cookie('edxsso') && cookie_of($user), $cookies[0], 'the browser keeps its session cookie');
    out_of_store($user->get('/edxsso/session', as => 'fetch'), 'the session endpoint');
    is(get($user, '/open/index.txt')->status, 200, 'a place without sign-in answers');
    in_time(4, '20 requests are told at once', sub { get($user) for 1 .. 20 });
    is(lms_calls('/oauth2/authorize'), $calls, 'nobody was sent to the LMS');

    my ($began, $took);
    for (1 .. 5) { # where the machine was busy with something else, once more
        $redis->start;
        $began = Time::HiRes::time();
        ok($site->wait_until(sub { get($user)->status == 200 }), 'Redis is back: so are we');
        $took = Time::HiRes::time() - $began;
        last if $took < 1.3;
        $redis->stop;
        ok($site->wait_until(sub { get($user)->status == 503 }), 'Redis is gone again');
    }
    cmp_ok($took, '<', 1.3, sprintf 'within a second (%.2f s)', $took);
    # each process finds out for itself, within a second
    my $alive = 0;
    $site->wait_until(sub { ($alive = alive($site, @cookies)) == @cookies });
    is($alive, scalar @cookies, 'nobody was signed out');
    my ($seen, $not) = ($load->stop, $open->stop);
    note(EdxSSO::Load::summary($seen));
    is(join(' ', sort keys %{ $seen->{status} }), '200 503', 'who was working saw 200 and 503 only') or diag(EdxSSO::Load::summary($seen));
    cmp_ok($seen->{slowest}, '<', 2.5 + $not->{slowest}, 'and waited 2 s at most, besides what those wait who need no store');
    is(join(' ', keys %{ $not->{status} }), 200, 'who needs no store saw 200 only');
    like($site->log_text, qr/SSO0287: the store is down: Redis 127\.0\.0\.1:\d+/, 'the log says that it is down');
    like($site->log_text, qr/SSO0288: the store is up again/, 'and that it is up again');
    unlike($site->log_text, qr/p\@ss:w|p%40ss/, 'and not with which password');

    # ---- slow
    for (1 .. 5) {
        $redis->signal('STOP');
        $began = Time::HiRes::time();
        my $answer = get($user);
        $took = Time::HiRes::time() - $began;
        out_of_store($answer, 'a Redis that hangs');
        last if $took < 2.4;
        $redis->signal('CONT');
        $site->wait_until(sub { get($user)->status == 200 });
    }
    cmp_ok($took, '<', 2.4, sprintf 'a Redis that hangs: a request waits 2 s at most (%.2f s)', $took);
    in_time(8, 'those after it do not queue up for that long', sub { get($user) for 1 .. 10 });
    $redis->signal('CONT');
    ok($site->wait_until(sub { get($user)->status == 200 }), 'it goes on: so do we');

    # ---- refuses
    $redis->ask('CONFIG', 'SET', 'maxmemory', '1');
    my $new = EdxSSO::Browser->new(base => $site->url);
    my $refused = $new->follow(get($new));
    is($refused->status, 503, 'a full Redis: a sign-in gets a 503');
    is($refused->header('Retry-After'), 5, 'with Retry-After');
    $redis->ask('CONFIG', 'SET', 'maxmemory', '0');
    ok($site->wait_until(sub { sign_in($site) }), 'no longer full: one can sign in');
    $redis->ask('REPLICAOF', '127.0.0.1', '9');
    my $readonly = get($user);
    cmp_ok($readonly->status, '!=', 302, 'a Redis that has become a replica: nobody is sent to sign in (' . $readonly->status . ')');
    $redis->ask('REPLICAOF', 'NO', 'ONE');
    ok($site->wait_until(sub { get($user)->status == 200 }), 'no longer a replica: the session is alive');

    # ---- empty
    $redis->ask('FLUSHALL');
    ok($site->wait_until(sub { get($user)->status == 302 }), 'emptied: sign in again'); # 503 where Redis was last seen to hang
}

# ---- not there, or not ours, from the start

{
    $redis->stop(keep => 0);
    my $site = site(server => $store)->start;
    my $answer = get(EdxSSO::Browser->new(base => $site->url), '/open/index.txt');
    is($answer->status, 200, 'httpd starts without Redis');
    my $user = EdxSSO::Browser->new(base => $site->url);
    my $refused = $user->follow(get($user));
    is($refused->status, 503, 'a sign-in gets a 503');
    $redis->start;
    ok($site->wait_until(sub { sign_in($site) }), 'when Redis is there, one can sign in');

    (my $wrong = $store) =~ s/p%40ss/wrong/;
    my $mistaken = site(server => $wrong)->start;
    $user = EdxSSO::Browser->new(base => $mistaken->url);
    cmp_ok($user->follow(get($user))->status, '>=', 500, 'a wrong password: no sign-in');
    like($mistaken->log_text, qr/SSO02\d\d: (?:the store is down: )?Redis \S+: .*password/, 'the log says that it is the password');
    unlike($mistaken->log_text, qr/wrong%3A|wrong:w/, 'and does not tell it');
}

# ---- by a name, while DNS hangs

{
    my $dir = File::Temp::tempdir('edxsso-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    open my $out, '>', "$dir/names.c" or die "$!\n";
    print {$out} <<"END";
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) = dlsym(RTLD_NEXT, "getaddrinfo");
    int ours = name && !strcmp(name, "redis.test");
    while (ours && !access("$dir/hang", F_OK))
        usleep(10000);
    return real(ours ? "127.0.0.1" : name, service, hints, found);
}
END
    close $out;
    system('cc', '-shared', '-fPIC', '-o', "$dir/names.so", "$dir/names.c", '-ldl') == 0 or die "no C compiler\n";
    (my $named = $store) =~ s/127\.0\.0\.1/redis.test/;
    my $site = site(server => $named, mpm => 'event');
    {
        local $ENV{LD_PRELOAD} = "$dir/names.so";
        $site->start;
    }
    my $user = sign_in($site);
    ok($user, 'by a name: signed in');
    open my $hang, '>', "$dir/hang" or die "$!\n";
    $redis->stop;
    ok($site->wait_until(sub { get($user)->status == 503 }), 'Redis is gone, and DNS hangs');
    my $began = Time::HiRes::time();
    my $answers = 0;
    while (Time::HiRes::time() - $began < 1.5) { # a few times as long as a failure is remembered
        $answers++ if get($user)->status == 503;
        select undef, undef, undef, 0.02;
    }
    cmp_ok($answers, '>', 10, 'no request waits for it');
    $redis->start;
    ok($site->wait_until(sub { get($user)->status == 200 }), 'Redis is back, DNS still hangs: so are we');
    unlink "$dir/hang";
}

# ---- httpd -t

my @mistakes = (
    ['redis://',                        qr/SSO0253/],
    ['redis://host:port',               qr/SSO0253/],
    ['redis://host:99999',              qr/SSO0253/],
    ['redis://host/x',                  qr/SSO025[34]/],
    ['redis://secret@host',             qr/SSO0251/],
    ['redis://user:@host',              qr/SSO0252/],
    ['redis://user:%zz@host',           qr/SSO0252/],
    ['redis://host/0?what=1',           qr/SSO0254/],
    ['redis+unix://relative/path',      qr/SSO0253/],
    ['rediss://host?ca=/not/there.pem', qr/SSO0255/],
    ['rediss://host?cert=/not/there.pem&key=/not/there', qr/SSO0256/],
    ['redi://host',                     qr/SSO0060/],
    ['memcached://host',                qr/SSO0060/],
);
for my $case (@mistakes) {
    my ($url, $says) = @$case;
    my ($exit, $output) = EdxSSO::Httpd->config_test(site_text(server => "EdxSSOStore \"$url\"\n"));
    isnt($exit, 0, "httpd -t: $url");
    like($output, qr/$says.*EdxSSOStore/, 'says what is wrong');
    unlike($output, qr/secret\@/, 'without what may be a password') if $url =~ /secret/;
}

done_testing();
