# SPDX-License-Identifier: Apache-2.0
# What a client may not bring along: headers by our names in any spelling, our cookies behind the
# module, names in Connection that would take headers off the proxied request.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Visitor;

lms_reset();
allow_log(qw(SSO0564 SSO0145 SSO0353));

my $browser = visitor('export', '/cgi/both');
my $nobody = browser('export', as => 'plain');
my $session = $browser->cookie('edxsso')->{value};

my @bases = qw(Edxsso-Provider Edxsso-Username Edxsso-User-Id Edxsso-Email Edxsso-Name Edxsso-Tenant
    Edxsso-Remote-Id Edxsso-Claim-Email Edxsso-Claim-Anything Edxsso-Claims Edxsso-New Remote-User
    Oidc-Claim-Email Oidc-Claim-Sub Email Given-Name);
my @spellings = map {
    my $name = $_;
    my ($under, $dot, $odd) = ($name) x 3;
    $under =~ tr/-/_/;
    $dot =~ tr/-/./;
    $odd =~ s/-/_/;
    ($name, lc $name, uc $name, $under, uc $under, $dot, lc $odd)
} @bases;
my %seen;
@spellings = grep { !$seen{$_}++ } @spellings;

# all at once, each twice, so that neighbours go; and one that stays before and behind
my @attack = (['X-First', 'stays', 1], (map { ["$_", 'SPOOFED', 1], ["$_", 'SPOOFED2', 1] } @spellings),
    ['X-Last', 'stays', 1]);
sub bytes {
    my ($path, $cookie, @headers) = @_;
    return join '', "GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
        ($cookie ? "Cookie: edxsso=$session\r\n" : ''), map({ "$_->[0]: $_->[1]\r\n" } @headers), "\r\n";
}
for my $path (qw(/cgi/both /cgi/none /cgi/empty /cgi/oidc /proxy/both /proxy/none /proxy/empty /pass/both /proxied-pass/both)) {
    my @rest = @attack;
    while (my @part = splice @rest, 0, 60) { # httpd takes 100
        my $body = $browser->raw($path, bytes($path, 1, $attack[0], @part, $attack[-1]))->body;
        unlike($body, qr/SPOOFED/, "$path, signed in: nothing is taken over") or diag(grep { /SPOOFED/ } split /^/m, $body);
        like($body, qr/^(X-First: |HTTP_X_FIRST=)stays/mi, "$path: the others come through");
    }
}
for my $path (qw(/open/both /proxied-open/both /pass/both /proxied-pass/both /pass/empty /proxied-pass/empty)) {
    my @rest = @attack;
    while (my @part = splice @rest, 0, 60) {
        my $body = $nobody->raw($path, bytes($path, 0, $attack[0], @part, $attack[-1]))->body;
        unlike($body, qr/SPOOFED/, "$path, nobody: nothing is taken over") or diag(grep { /SPOOFED/ } split /^/m, $body);
        like($body, qr/^(X-First: |HTTP_X_FIRST=)stays/mi, "$path, nobody: the others come through");
    }
}

# one at a time
for my $name (@spellings) {
    my $body = $nobody->raw('/proxied-open/x', bytes('/proxied-open/x', 0, [$name, 'SPOOFED']))->body;
    unlike($body, qr/SPOOFED/, "$name alone");
}

# a virtual host without any AuthType has it all the same, and its environment is clean
my $plain = browser('main', as => 'plain')->raw('/open', bytes('/open', 0, @attack[0 .. 40]))->body;
unlike($plain, qr/SPOOFED/, 'an open place of another virtual host');

# Connection: what it names, a proxy drops
my @lists = ('Remote-User', 'remote-user', 'x, Remote-User', 'Remote-User, x', 'x,Remote-User,y', 'x;Remote-User',
    'x Remote-User', "x\tRemote-User", ',,Remote-User', ';Remote-User', '"x" Remote-User', 'close, Remote-User',
    'Edxsso-Username, Remote-User, Edxsso-Claim-Email', 'x , Remote-User ;y', '"x,Remote-User', 'x\\,Remote-User',
    'Edxsso-Claim-Email;Remote-User');
for my $list (@lists) {
    my $bytes = "GET /proxy/both HTTP/1.1\r\nHost: localhost\r\nCookie: edxsso=$session\r\nConnection: $list\r\nConnection: close\r\n\r\n";
    my $body = $browser->raw('/proxy/both', $bytes)->body;
    like($body, qr/^Remote-User: jsmith$/m, "Connection: $list: Remote-User stays") or diag($body);
    like($body, qr/^Edxsso-Claim-Email: /m, "Connection: $list: and so does a claim");
    $bytes =~ s/(Connection: .*?\r\n)(Connection: close\r\n)/$2$1/s;
    $body = $browser->raw('/proxy/both', $bytes)->body;
    like($body, qr/^Remote-User: jsmith$/m, "Connection: close, then $list");
}
my $dropped = $browser->raw('/proxy/both', "GET /proxy/both HTTP/1.1\r\nHost: localhost\r\nCookie: edxsso=$session\r\nX-Mine: 1\r\nConnection: X-Mine, Remote-User, close\r\n\r\n")->body;
unlike($dropped, qr/^X-Mine/m, 'what else Connection names is still dropped');
my $kept = $browser->raw('/proxy/both', "GET /proxy/both HTTP/1.1\r\nHost: localhost\r\nCookie: edxsso=$session; a=b\r\nConnection: Cookie, close\r\n\r\n")->body;
like($kept, qr/^Cookie: a=b$/m, 'Connection: Cookie');

# trailers
my $chunked = "Host: localhost\r\nCookie: edxsso=$session\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
    . "Trailer: Remote-User, Edxsso-Username\r\n\r\n3\r\nabc\r\n0\r\nRemote-User: SPOOFED\r\nEdxsso-Username: SPOOFED\r\nEdxsso_New: SPOOFED\r\n\r\n";
for my $path (qw(/proxy/both /cgi/both /proxied-pass/both)) {
    my $body = $browser->raw($path, "POST $path HTTP/1.1\r\n$chunked", 'POST')->body;
    unlike($body, qr/SPOOFED/, "$path: trailers");
    like($body, qr/^(Remote-User: |REMOTE_USER=)jsmith$/m, "$path: the user with trailers");
}

# cookies: header line(s), what the app sees
my @cookies = (
    ["edxsso=$session",                       undef],
    ["edxsso=$session; a=b",                  'a=b'],
    ["a=b; edxsso=$session",                  'a=b'],
    ["a=b; edxsso=$session; c=d",             'a=b; c=d'],
    ["a=b;edxsso=$session;c=d",               'a=b; c=d'],
    ["__Host-edxsso=x; edxsso=$session; edxsso_login=y; __Host-edxsso_login=z; q=1", 'q=1'],
    ["edxsso=$session; edxsso_0=x; edxsso_12=y; q=1", 'q=1'],
    ["edxsso=$session; edxsso=$session; q=1", 'q=1'],
    ["edxssox=1; edxsso=$session; xedxsso=2; edxsso-x=3", 'edxssox=1; xedxsso=2; edxsso-x=3'],
    ["q=\"1\"; edxsso=$session",              'q="1"'],
);
for my $case (@cookies) {
    my ($line, $left) = @$case;
    my $body = $browser->raw('/proxy/both', "GET /proxy/both HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: $line\r\n\r\n")->body;
    my ($cookie) = $body =~ /^Cookie: (.*)$/m;
    (my $name = $line) =~ s/\Q$session\E/ID/g;
    is($cookie, $left, "Cookie: $name");
    like($body, qr/^Remote-User: jsmith$/m, 'and the user is signed in');
    unlike($body, qr/\Q$session\E/, 'and the id is nowhere');
}
for my $line (';', '; ;', 'edxsso', 'edxsso=', '=', '=edxsso', 'edxsso;a=b', ';edxsso=;', '', 'a') {
    for my $path (qw(/proxied-open/x /proxied-pass/x)) {
        my $answer = $nobody->raw($path, "GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: $line\r\n\r\n");
        is($answer->status, 200, "$path: Cookie: '$line' harms nothing");
    }
}
for my $lines ("Cookie: a=b\r\nCookie: edxsso=$session\r\n", "Cookie: edxsso=$session\r\nCookie: a=b\r\n") {
    my $body = $browser->raw('/proxied-open/x', "GET /proxied-open/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n$lines\r\n")->body;
    unlike($body, qr/\Q$session\E/, 'two Cookie lines: the id is not passed on');
    like($body, qr/a=b/, 'two Cookie lines: the other cookie is');
}
my $open = $browser->get('/open/x')->body;
unlike($open, qr/\Q$session\E/, 'an open place does not see the session cookie');

done_testing();
