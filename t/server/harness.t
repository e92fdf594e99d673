# SPDX-License-Identifier: Apache-2.0
# The tests' own tools: cookies as a browser keeps them, apps that answer, a place without protection.
use strict;
use warnings;
use EdxSSO::Test;

my $browser = browser('main');
my $answer = $browser->get('/open');
is($answer->status, 200, 'an open place answers');
unlike($answer->body, qr/^REMOTE_USER=/m, 'nobody is signed in there');
like($answer->body, qr/^HTTP_SEC_FETCH_MODE=navigate$/m, 'the browser says that it navigates');

# what was set, from where, for which request: sent or not
my @cookies = (
    ['a=1',                              'http://localhost/x/y', 'http://localhost/x/z',  'a=1', 'host only'],
    ['a=1',                              'http://localhost/x/y', 'http://localhost/w',    '',    'of another path'],
    ['a=1; Path=/',                      'http://localhost/x/y', 'http://localhost:81/w', 'a=1', 'of another port'],
    ['a=1; Path=/x',                     'http://localhost/',    'http://localhost/xy',   '',    'of a path that only begins alike'],
    ['a=1; Path=/',                      'http://localhost/',    'http://127.0.0.1/',     '',    'of another host'],
    ['a=1; Path=/; Domain=x.test',       'https://a.x.test/',    'https://b.x.test/',     'a=1', 'of a domain'],
    ['a=1; Path=/; Domain=y.test',       'https://a.x.test/',    'https://a.x.test/',     '',    'of a foreign domain'],
    ['a=1; Path=/; Secure',              'https://x.test/',      'http://x.test/',        '',    'secure, over http'],
    ['a=1; Path=/; Secure',              'http://localhost/',    'http://localhost/',     'a=1', 'secure, on this machine'],
    ['a=1; Max-Age=0',                   'http://localhost/',    'http://localhost/',     '',    'expired'],
    ['a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT', 'http://localhost/', 'http://localhost/', '', 'long expired'],
    ['__Host-a=1; Path=/; Secure',       'https://x.test/',      'https://x.test/',       '__Host-a=1', '__Host-'],
    ['__Host-a=1; Path=/x; Secure',      'https://x.test/',      'https://x.test/x',      '',    '__Host- with a path'],
    ['__Host-a=1; Path=/',               'https://x.test/',      'https://x.test/',       '',    '__Host- without Secure'],
);
for my $case (@cookies) {
    my ($line, $from, $to, $sent, $name) = @$case;
    my $jar = EdxSSO::Browser->new;
    $jar->set_cookie($line, $from);
    is($jar->cookie_header($to), $sent, "a cookie $name");
}

my $jar = EdxSSO::Browser->new;
$jar->set_cookie('a=1; Path=/; SameSite=Lax', 'http://localhost/');
is($jar->cookie_header('http://localhost/', cross_site => 1), 'a=1', 'Lax: sent when a link is followed');
is($jar->cookie_header('http://localhost/', cross_site => 1, method => 'POST'), '', 'Lax: not with a foreign form');
my $copy = $jar->clone;
$jar->set_cookie('a=; Path=/; Max-Age=0', 'http://localhost/');
is($jar->cookie_header('http://localhost/'), '', 'a cookie is taken away');
is($copy->cookie_header('http://localhost/'), 'a=1', 'a copied jar keeps it');

my $count = backend_count();
EdxSSO::Browser->new(base => $ENV{ECHO_ROOT}, as => 'plain')->get('/x', headers => [['X_Odd.Name', 'v']]);
is(backend_count(), $count + 1, 'the app behind mod_proxy counts');

done_testing();
