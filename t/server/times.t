# SPDX-License-Identifier: Apache-2.0
# The times of a session and of a sign-in, waited for: so they are a few seconds here. A virtual host each, so that all
# are waited for at once.
use strict;
use warnings;
use Time::HiRes ();
use EdxSSO::Browser;
use EdxSSO::Httpd;
use EdxSSO::SignIn;
use EdxSSO::Site;
use EdxSSO::Test;

lms_reset();

# what it is, directives, what is asked for meanwhile
my @ends;
for my $kept ('store', 'cookie') {
    my $sessions = "EdxSSOSessions $kept\n";
    push @ends, ["idle, $kept: a page that polls does not count", "${sessions}EdxSSOSessionIdle 3s\n", '/app/index.txt', [['X-Edxsso-Background', '1']]],
        ["idle, $kept: nor does asking about the session", "${sessions}EdxSSOSessionIdle 3s\n", '/edxsso/session', []],
        ["the end, $kept: whatever comes", "${sessions}EdxSSOSessionMax 3s\n", '/app/index.txt', []];
}
my $hosts = '';
sub host {
    my ($directives) = @_;
    my $port = EdxSSO::Httpd::free_port();
    $hosts .= "Listen 127.0.0.1:$port\n<VirtualHost 127.0.0.1:$port>\nServerName localhost:$port\n" . site_text(server => $directives) . "</VirtualHost>\n";
    return EdxSSO::Browser->new(base => "http://localhost:$port");
}
my @browsers = map { host($_->[1]) } @ends;
my $slow = host("EdxSSOLoginTimeout 1s\n");
my $httpd = site(more => $hosts)->start;

# ---- a sign-in that takes too long: as long as all that follows
my $back = to_callback($slow, '/app/index.txt')->location;
my $begun = Time::HiRes::time();

# ---- how sessions end
my (@started, @ended);
for my $n (0 .. $#ends) {
    my ($why) = @{ $ends[$n] };
    my $done = to_callback($browsers[$n], '/app/index.txt');
    $started[$n] = Time::HiRes::time();
    is($browsers[$n]->get($done->location)->status, 302, "$why: signed in");
    ok($browsers[$n]->cookie('edxsso'), "$why: with a session cookie");
}
$httpd->wait_until(sub {
    for my $n (grep { !$ended[$_] } 0 .. $#ends) {
        my ($path, $headers) = @{ $ends[$n] }[2, 3];
        $ended[$n] = Time::HiRes::time() if $browsers[$n]->get($path, as => 'fetch', headers => $headers)->status == 401;
    }
    return @ends == grep { $_ } @ended[0 .. $#ends];
});
for my $n (0 .. $#ends) {
    my ($why) = @{ $ends[$n] };
    ok($ended[$n], "$why: the session ends");
    cmp_ok(($ended[$n] // 0) - $started[$n], '>=', 2, "$why: not at once");
    is($browsers[$n]->get('/edxsso/session', as => 'fetch')->status, 401, "$why: for good");
}

my $left = $begun + 3 - Time::HiRes::time();
select undef, undef, undef, $left if $left > 0;
my $before = lms_calls();
my $late = $slow->get($back, headers => [['Cookie', 'edxsso_login=' . ($slow->cookie('edxsso_login') // { value => 'gone' })->{value}]]);
is($late->status, 400, 'EdxSSOLoginTimeout: too late');
is(lms_calls(), $before, 'the code is not redeemed');
like($httpd->log_text, qr/SSO0552: callback: lms: .*EdxSSOLoginTimeout/, 'and the log says why');
$httpd->stop;
done_testing();
