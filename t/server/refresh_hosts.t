# SPDX-License-Identifier: Apache-2.0
# Two httpds with one Redis: one refresh for both, also when whoever does it is killed in the middle.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::Httpd;
use EdxSSO::Op;
use EdxSSO::Redis;
use EdxSSO::Site;
use Time::HiRes ();

alone();
my $redis = EdxSSO::Redis->new or plan(skip_all => 'no redis-server');
$redis->start;
my $LIFE = 3;
my $op = EdxSSO::Op->new(access_life => $LIFE);
my $text = "EdxSSOStore " . $redis->url . "\nEdxSSOSecret \"a secret that both of these httpds know, of some length\"\n"
    . "EdxSSOHTTPTimeout 3s 6s\n" . $op->section('oidc')
    . "<Location /app>\nAuthType edxsso\nRequire valid-user\nHeader set X-User \"expr=%{REMOTE_USER}\"\n</Location>\n"
    . "<IfModule !mpm_prefork_module>\nServerLimit 4\nThreadLimit 64\nThreadsPerChild 64\nMaxRequestWorkers 256\nMaxSpareThreads 256\n</IfModule>\n";
my ($exit, $output) = EdxSSO::Httpd->config_test($text);
plan(skip_all => 'built without hiredis') if $exit && $output =~ /redis/i;

sub host {
    my ($more) = @_;
    my $httpd = EdxSSO::Httpd->new(config => $text . ($more // ''));
    mkdir $httpd->dir . '/htdocs/app';
    open my $out, '>', $httpd->dir . '/htdocs/app/index.txt' or die "$!\n";
    close $out;
    return $httpd->start;
}
my $one = host();
my $two = host('ServerName localhost:' . $one->port . "\n");

my $signed_in;
sub enter {
    my $browser;
    $one->wait_until(sub { $browser = sign_in($one) }) or die "no sign-in\n" . $one->log_text;
    $signed_in = Time::HiRes::time();
    return cookie_of($browser);
}
sub due { my $left = $signed_in + $LIFE * 2 / 3 + 0.2 - Time::HiRes::time(); select undef, undef, undef, $left if $left > 0; return }
sub statuses { my %seen; $seen{ $_->status }++ for @_; return join ' ', map { "$_:$seen{$_}" } sort keys %seen }
sub refreshes { return $op->calls('/token', 'refresh_token') }

# ---- both at once
my $cookie = enter();
$op->ctl(config => { access_life => 3600 });
$op->ctl(answer => { endpoint => '/token', delay => 0.7 });
due();
is(statuses(at_once([$one->port, $two->port], 200, '/app/index.txt', $cookie)), '200:200', 'both hosts: 200 answers');
is(refreshes(), 1, 'one refresh');
is($op->ctl('state')->{reused}, 0, 'no token came twice');

# ---- the refresher is killed when the provider has done its part, and nobody heard of it
$op->reset(access_life => $LIFE);
$cookie = enter();
$op->ctl(config => { access_life => 3600 });
$op->ctl(answer => { endpoint => '/token', delay => 1 });
due();
my $pid = fork // die "fork: $!\n";
if (!$pid) {
    at_once($one->port, 1, '/app/index.txt', $cookie);
    POSIX::_exit(0);
}
$one->wait_until(sub { refreshes() });
$one->crash;
waitpid $pid, 0;
is(refreshes(), 1, 'killed in the middle of a refresh');
is(statuses(at_once($two->port, 50, '/app/index.txt', $cookie)), '200:50', 'the other host goes on with what is there');
is(refreshes(), 1, 'and asks nothing while the lock is held');
my ($relogins, $until) = (0, time + 60);
my $answer;
do {
    select undef, undef, undef, 0.3;
    ($answer) = at_once($two->port, 1, '/app/index.txt', $cookie);
} until refreshes() > 1 || $answer->status != 200 || time > $until;
cmp_ok(refreshes(), '<=', 2, 'then one tries again, once');
$relogins++ if $answer->status == 302;
cmp_ok($relogins, '<=', 1, 'at most one sign-in anew');
cmp_ok($op->ctl('state')->{reused}, '<=', 1, 'the token came again at most once');
$op->ctl(config => { access_life => 3600 });
$one->start;
$cookie = enter();
is(statuses(at_once([$one->port, $two->port], 20, '/app/index.txt', $cookie)), '200:20', 'after that sign-in all is well on both');
$_->stop for $one, $two;
for my $httpd ($one, $two) {
    unlike($httpd->log_text, qr/exit signal (Segm|Abort)/, 'nobody crashed');
}
done_testing();
