# SPDX-License-Identifier: Apache-2.0
# The callback: a state works once, in the browser that asked for it, for the provider and the virtual host it
# was
# made for, and whatever else comes there signs nobody in.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::SignIn;

allow_log('SSO0564');
lms_reset('inline');

sub state_of { my %q = EdxSSO::Browser::query($_[0]); return $q{state} }
sub code_of { my %q = EdxSSO::Browser::query($_[0]); return $q{code} }
sub fresh { my $browser = browser('main'); return ($browser, to_callback($browser, '/studio')->location) }
sub with_state { my ($url, $state) = @_; $url =~ s/([?&]state=)[^&]*/$1$state/; return $url }

my @refusal = (calls => 0, app => '/studio');

my $SEALED = 'SSO0125|SSO0126|SSO0127|SSO0128|SSO0129'; # not ours, altered, of another key

# what is done to the URL of the callback
my @altered = (
    ['no state',          sub { $_[0] =~ s/[?&]state=[^&]*//r }, 'SSO0550'],
    ['an empty state',    sub { with_state($_[0], '') }, 'SSO0550'],
    ['a made-up state',   sub { with_state($_[0], 'xyz') }, $SEALED],
    ['a state of zeros',  sub { with_state($_[0], 'A' x 200) }, $SEALED],
    ['padding added',     sub { with_state($_[0], state_of($_[0]) . '%3D') }, $SEALED],
    ['a byte added',      sub { with_state($_[0], state_of($_[0]) . 'AAAA') }, $SEALED],
    ['cut short',         sub { with_state($_[0], substr(state_of($_[0]), 0, -4)) }, $SEALED],
    ['its first part',    sub { with_state($_[0], substr(state_of($_[0]), 0, 8)) }, $SEALED],
    ['a NUL after it',    sub { with_state($_[0], state_of($_[0]) . '%00') }, 'SSO0557|SSO0129'],
    ['a state of 9 kB',   sub { with_state($_[0], 'A' x 7000) }, $SEALED],
    ['neither code nor error', sub { $_[0] =~ s/([?&])code=[^&]*&?/$1/r }, 'SSO0563'],
    ['an empty code',     sub { $_[0] =~ s/([?&]code=)[^&]*/$1/r }, 'SSO0563'],
    ['the state twice',   sub { $_[0] . '&state=' . state_of($_[0]) }, 'SSO0558'],
    ['another state first', sub { $_[0] =~ s/\?/?state=x&/r }, 'SSO0558'],
    ['the code twice',    sub { $_[0] . '&code=' . code_of($_[0]) }, 'SSO0558'],
    ['error beside it twice', sub { $_[0] . '&error=a&error=b' }, 'SSO0558'],
    ['iss twice',         sub { $_[0] . '&iss=a&iss=b' }, 'SSO0558'],
    ['no query at all',   sub { $_[0] =~ s/\?.*//r }, 'SSO0550'],
    ['an empty query',    sub { $_[0] =~ s/\?.*/?/r }, 'SSO0550'],
    ['?&',                sub { $_[0] =~ s/\?.*/?&/r }, 'SSO0550'],
    ['broken escapes',    sub { $_[0] . '&x=%zz' }, 'SSO0557'],
    ['a NUL in the code', sub { $_[0] =~ s/([?&]code=)/$1%00/r }, 'SSO0557'],
);
for my $place (0, 4, 9, 20, 40, -30, -1) { # a flipped character anywhere
    push @altered, ["character $place of the state changed", sub {
        my $state = state_of($_[0]);
        substr($state, $place, 1) = substr($state, $place, 1) eq 'A' ? 'E' : 'A';
        return with_state($_[0], $state);
    }, $SEALED];
}

for my $case (@altered) {
    my ($name, $change, $numbers) = @$case;
    my ($browser, $callback) = fresh();
    refused($browser, $change->($callback), $name, status => 400, log => $numbers, @refusal,
        next_user => undef);
    is($browser->get($callback)->status, 302, "$name: the real answer still works") if $name !~ /code/;
}

# ---- once only
{
    my ($browser, $callback) = fresh();
    my $copy = $browser->clone;
    is($browser->get($callback)->status, 302, 'the first time');
    refused($copy, $callback, 'a second time, with the cookies of before', status => 400, log => 'SSO0559',
        @refusal);
    $browser->get('/edxsso/logout?no_redirect=1');
    refused($browser, $callback, 'a second time, after signing out', status => 400, log => 'SSO0559', @refusal);
    my ($other, $new) = fresh();
    refused($browser, with_state($new, state_of($callback)), 'a used state with a new code', status => 400,
        log => 'SSO0559', @refusal);
}
{
    my ($browser, $callback) = fresh();
    refused($browser, with_query($callback =~ s/&?code=[^&]*//r, error => 'access_denied'),
        'an error uses the state up',
        status => 403, log => 'SSO0560', @refusal);
    refused($browser, $callback, 'so that a code does not work with it', status => 400, log => 'SSO0559',
        @refusal);
}
{   # all at once: one of them wins
    my ($browser, $callback) = fresh();
    my $before = lms_calls();
    my @pids = map {
        my $pid = fork;
        if (!$pid) { require POSIX; my $a = $browser->clone->get($callback); POSIX::_exit($a->status == 302
            ? 1 : 0) }
        $pid;
    } 1 .. 8;
    my $won = 0;
    for my $pid (@pids) { waitpid $pid, 0; $won += $? >> 8 }
    is($won, 1, 'of eight at once one is signed in');
    is(lms_calls() - $before, 1, 'and one asked the LMS');
    expect_log('SSO0559', 'the others', times => 7);
}

# ---- in this browser, for this provider, on this virtual host only
{
    my ($browser, $callback) = fresh();
    refused(browser('main'), $callback, 'a browser without cookies', status => 400, log => 'SSO0554', @refusal);
    my ($thief) = fresh();
    refused($thief, $callback, 'another browser, on its way as well', status => 400, log => 'SSO0555',
        @refusal);
    my $odd = browser('main');
    for my $value ('x', 'A' x 22, '', 'A' x 22 . '.9.9', '../../x', 'A' x 5000) {
        $odd->forget->set_cookie("edxsso_login=$value; Path=/");
        my $answer = $odd->get($callback);
        is($answer->status, 400, 'a login cookie that we did not make (' . substr($value, 0, 30) . ')');
    }
    allow_log('SSO0554', 'SSO0555');
    $odd->forget->set_cookie($browser->cookie('edxsso_login')->{line});
    my $two = $odd->request(GET => $callback, headers => [['Cookie', 'edxsso_login='
        . $browser->cookie('edxsso_login')->{value}
        . '; edxsso_login=' . 'A' x 22]]);
    is($two->status, 400, 'two different login cookies');
    is($browser->get($callback)->status, 302, 'the browser itself is none the worse');
}
{
    my ($browser, $callback) = fresh();
    my $here = $browser->clone;
    (my $elsewhere = $callback) =~ s{^http://[^/]+}{vhost('si_many')}e;
    $here->{base} = vhost('si_many');
    refused($here, $elsewhere, 'at another virtual host', status => 400, log => 'SSO0126', calls => 0,
        app => '/app', through => '/edxsso/login?provider=inline&next=/app');
    my $inline = browser('si_many');
    my $for_inline = to_callback($inline, '/edxsso/login?provider=inline&next=/app')->location;
    refused($inline, $for_inline =~ s{/callback/inline}{/callback/lms}r, 'at the callback of another provider',
        status => 400, log => 'SSO0553', calls => 0, app => '/app',
            through => '/edxsso/login?provider=inline&next=/app');
    is($inline->get($for_inline)->status, 302, 'its own takes it');
    my $answer = $inline->get($for_inline =~ s{/callback/inline}{/callback/nobody}r);
    is($answer->status, 404, 'a callback of no provider');
    expect_log('SSO0688');
}
# a sealed text of another kind: a session id, a login cookie
{
    my ($browser, $callback) = fresh();
    signed_in(my $user = browser('main'), 'alice', '/studio', 'alice');
    for my $text (map { $_->{value} } grep { $_->{name} =~ /^edxsso/ } $user->cookies) {
        is($browser->get(with_state($callback, $text))->status, 400, 'another text of ours as state');
    }
    allow_log(split /\|/, $SEALED);
}

# ---- methods and bodies: the code is not redeemed
my $form = 'application/x-www-form-urlencoded';
my @requests = (
    ['HEAD',                          'HEAD',    undef, undef, 405, 'SSO0683'],
    ['PUT',                           'PUT',     'x',   undef, 405, 'SSO0683'],
    ['DELETE',                        'DELETE',  undef, undef, 405, 'SSO0683'],
    ['OPTIONS',                       'OPTIONS', undef, undef, 405, 'SSO0683'],
    ['a method of nobody',            'FOO',     undef, undef, 405, 'SSO0683'],
    ['POST with the query',           'POST',    '',    $form, 400, 'SSO0556'],
    ['POST without a content type',   'POST',    'a=b', undef, 400, 'SSO0556'],
    ['POST without a body',           'POST',    undef, undef, 400, 'SSO0556'],
    ['POST of multipart',             'POST',
        "--x\r\nContent-Disposition: form-data; name=\"code\"\r\n\r\na\r\n--x--\r\n",
                                                 'multipart/form-data; boundary=x', 400, 'SSO0556'],
    ['POST of JSON',                  'POST',    '{"code":"x"}', 'application/json', 400, 'SSO0556'],
    ['POST of 200 kB',                'POST',    'code=' . 'x' x 200_000, $form, 400, 'SSO0556'],
);
for my $case (@requests) {
    my ($name, $method, $body, $type, $status, $log) = @$case;
    my ($browser, $callback) = fresh();
    my $answer = refused($browser, $callback, $name, method => $method, status => $status, log => $log,
        @refusal, next_user => undef,
        (defined $body ? (body => $body) : ()), (defined $type ? (headers => [['Content-Type', $type]]) : ()));
    is($answer->header('Allow'), 'GET,POST', "$name: Allow") if $status == 405;
    is($answer->body, '', "$name: no body") if $method eq 'HEAD';
    is($browser->get($callback)->status, 302, "$name: the code is still good");
}
{   # a form as form_post would send it
    my ($browser, $callback) = fresh();
    my ($bare, $query) = split /\?/, $callback, 2;
    refused($browser, $bare, 'the whole answer as a form, though it was asked for in the query',
        method => 'POST', body => $query,
        headers => [['Content-Type', $form]], status => 400, log => 'SSO0556', @refusal);
}
{
    my ($browser, $callback) = fresh();
    my $raw = $browser->raw($callback, join "\r\n", 'POST ' . ($callback =~ m{//[^/]+(.*)})[0] . ' HTTP/1.1',
        'Host: localhost',
        'Transfer-Encoding: chunked', 'Connection: close', '', 'zz', 'x', '0', '', '');
    like($raw->status, qr/^4\d\d$/, 'a body of broken chunks');
    allow_log('SSO0556');
    is($browser->get($callback)->status, 302, 'the code is still good');
}

no_secrets();
done_testing();
