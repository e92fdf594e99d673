# SPDX-License-Identifier: Apache-2.0
# Sessions live longer than any process: graceful restarts under load, stop and start, a crash of all
# of it, another size of the store, a damaged file. And what stands in the way of a start is said.
use strict;
use warnings;
use Time::HiRes ();
use EdxSSO::Test;
use EdxSSO::SignIn;
use EdxSSO::Site;

alone();
own_lms();
lms_reset();

my $SESSIONS = 6;

sub signed_in_site {
    my (%option) = @_;
    my $httpd = site(%option)->start;
    my @cookies = map { cookie_of(sign_in($httpd) || die "cannot sign in\n" . $httpd->log_text) } 1 .. $SESSIONS;
    return ($httpd, @cookies);
}

sub descriptors {
    my ($pid) = @_;
    return scalar(() = glob "/proc/$pid/fd/*");
}

# what the System V tables have of this user
sub ipc_objects {
    my $count = 0;
    for my $table (qw(shm sem msg)) {
        open my $in, '<', "/proc/sysvipc/$table" or next;
        my $head = <$in>;
        my @columns = split ' ', $head;
        my ($column) = grep { $columns[$_] eq 'uid' } 0 .. $#columns;
        $count += grep { (split ' ')[$column] == $> } <$in>;
    }
    return $count;
}

sub mappings {
    my ($pid) = @_;
    open my $in, '<', "/proc/$pid/maps" or return -1;
    return scalar grep { /store\.shm/ } <$in>;
}

# ---- graceful restarts in mid-traffic

sub restarts {
    my ($mpm, $count, $every) = @_;
    my ($httpd, @cookies) = signed_in_site(mpm => $mpm);
    my $load = load($httpd, @cookies);
    my $new = EdxSSO::Load->start(clients => 1, pause => 0.05, expect => 'in',
        each => sub { my $b = sign_in($httpd); push @cookies, cookie_of($b) if $b; return $b ? 'in' : 'out' },
        last => sub { return { cookies => [@cookies[$SESSIONS .. $#cookies]] } });
    my $done = 0;
    for (1 .. $count) {
        my $next = Time::HiRes::time() + $every;
        $done++ if $httpd->graceful(overlap => 1);
        select undef, undef, undef, 0.05 while Time::HiRes::time() < $next;
    }
    $load->reaches(50 * $count + 10);
    my ($seen, $signed_in) = ($load->stop, $new->stop);
    is($done, $count, "$mpm: restarted gracefully $count times");
    note("$mpm: " . EdxSSO::Load::summary($seen));
    note("$mpm: sign-ins: " . EdxSSO::Load::summary($signed_in));
    cmp_ok($seen->{status}{200} // 0, '>', 50 * $count, "$mpm: requests of signed-in users meanwhile");
    is($seen->{requests} - ($seen->{status}{200} // 0), 0, "$mpm: none of them failed")
        or diag(EdxSSO::Load::summary($seen));
    is($signed_in->{requests} - ($signed_in->{status}{in} // 0), 0, "$mpm: no sign-in failed")
        or diag(EdxSSO::Load::summary($signed_in));
    my @all = (@cookies, map { @{ $_->{cookies} } } @{ $signed_in->{last} });
    is(alive($httpd, @all), scalar @all, "$mpm: all " . @all . ' sessions are alive');
    unlike($httpd->log_text, qr/SSO0(211|225|226|287)|exit signal/, "$mpm: no complaint in the log");
    return;
}

if (slow()) {
    restarts($_, 6, 5) for qw(event worker prefork);
} else {
    restarts('event', 3, 0.4);
}

# ---- nothing piles up

{
    my ($httpd, @cookies) = signed_in_site();
    $httpd->graceful(overlap => 1) for 1 .. 2;
    my $settled = sub { $httpd->wait_until(sub { $httpd->children <= 3 }) };
    $settled->();
    my $pid = $httpd->pid;
    my @before = (descriptors($pid), ipc_objects(), mappings($pid));
    $httpd->graceful(overlap => 1) for 1 .. 20;
    $settled->();
    my @after; # other httpds of this user may come and go meanwhile; what piles up stays
    $httpd->wait_until(sub { @after = (descriptors($pid), ipc_objects(), mappings($pid)); "@after" eq "@before" });
    is("@after", "@before", 'descriptors, IPC objects and mappings of the store after 20 more graceful restarts');
    is($httpd->pid, $pid, 'the parent is the same');
    is(alive($httpd, @cookies), $SESSIONS, 'and the sessions are alive');
}

# ---- stop and start, crashes, secret

{
    my ($httpd, @cookies) = signed_in_site();
    my ($state, $secret) = ($httpd->dir . '/state');
    is(file_mode("$state/secret"), '0600', 'the secret that was made is for its owner only');
    is(file_mode("$state/store.shm"), '0600', 'so is the store');
    my $text = do { open my $in, '<', "$state/secret" or die; local $/; <$in> };
    cmp_ok(length $text, '>=', 32, 'it is long enough');

    ok($httpd->restart, 'restarted at once');
    is(alive($httpd, @cookies), $SESSIONS, 'the sessions are alive');

    ok($httpd->stop, 'stopped');
    $httpd->start;
    is(alive($httpd, @cookies), $SESSIONS, 'started: the sessions are alive');

    for my $time (1 .. 3) {
        my $load = load($httpd, @cookies, { clients => 3, pause => 0 });
        select undef, undef, undef, 0.1 + rand 0.3;
        ok($httpd->crash, "crash $time: parent and children killed in mid-traffic");
        $load->stop;
        $httpd->start;
        is(alive($httpd, @cookies), $SESSIONS, 'started: the sessions are alive');
    }
    unlike($httpd->log_text, qr/SSO0211/, 'the file was not set aside');
    ok(sign_in($httpd), 'one can sign in');
    is(do { open my $in, '<', "$state/secret" or die; local $/; <$in> }, $text, 'the secret is the same');
    is(file_mode("$state/secret"), '0600', 'and for its owner only');

    # another size
    for my $size (qw(shm:8M shm:2M shm:64M)) {
        $httpd->configure(site_text(server => "EdxSSOStore $size\n"));
        ok($httpd->graceful, "EdxSSOStore $size, by a graceful restart");
        like($httpd->log_text, qr/SSO0212/, 'the log says that it was moved');
        is(alive($httpd, @cookies), $SESSIONS, 'the sessions are alive');
    }
    mkdir "$state/store.shm.new"; # stands in the way, as a full disk does
    $httpd->configure(site_text(server => "EdxSSOStore shm:32M\n"));
    ok($httpd->graceful, 'a size that it cannot be given');
    like($httpd->log_text, qr/SSO1421: store: stays at 67108864 bytes: store: \S+store\.shm\.new /, 'the log says so, and why');
    is(alive($httpd, @cookies), $SESSIONS, 'httpd goes on, with its sessions');
    rmdir "$state/store.shm.new";
    $httpd->stop;
    $httpd->configure(site_text(server => "EdxSSOStore shm:1M\n"));
    $httpd->start;
    is(alive($httpd, @cookies), $SESSIONS, 'EdxSSOStore shm:1M, by stop and start: the sessions are alive');

    # damage
    $httpd->stop;
    open my $out, '+<', "$state/store.shm" or die "$!\n";
    for (my $at = 8192; $at < 1_000_000; $at += 4096) {
        seek $out, $at, 0;
        print {$out} 'x' x 64;
    }
    close $out;
    $httpd->start;
    like($httpd->log_text, qr/SSO0211:.*set aside as \S+store\.shm\.bad-/, 'a damaged file is set aside, the log says where');
    is(scalar(() = glob "$state/store.shm.bad-*"), 1, 'it is there');
    is(alive($httpd, @cookies), 0, 'its sessions are not trusted');
    my $browser = sign_in($httpd);
    ok($browser, 'service goes on') && is(alive($httpd, cookie_of($browser)), 1, 'with new sessions');

    for my $content (['nothing at all', ''], ['text', "not a store\n" x 1000], ['zeros', "\0" x 1048576]) {
        $httpd->stop;
        open my $file, '>', "$state/store.shm" or die "$!\n";
        print {$file} $content->[1];
        close $file;
        $httpd->start;
        ok(sign_in($httpd), "a file with $content->[0]: service goes on");
    }
    cmp_ok(scalar(() = glob "$state/store.shm.bad-*"), '<=', 2, 'not every bad file is kept');
}

# ---- what stands in the way of a start

my @obstacles = (
    ['a state directory that cannot be made', sub { chmod 0555, "$_[0]/ro" if mkdir "$_[0]/ro" },
        '/ro/state', qr/SSO0057: EdxSSOStateDir: '\S+' cannot be made: Permission denied/],
    ['one that cannot be written to', sub { chmod 0555, "$_[0]/ro2" if mkdir "$_[0]/ro2" },
        '/ro2', qr/SSO0\d{3}: .*ro2\S*: Permission denied/],
    ['one that everybody may write to', sub { chmod 0777, "$_[0]/all" if mkdir "$_[0]/all" },
        '/all', qr/SSO0058: EdxSSOStateDir: '\S+' .*everybody may write/],
    ['a file in its place', sub { open my $o, '>', "$_[0]/file" }, '/file', qr/SSO0058: EdxSSOStateDir/],
    ['a secret that others can read', sub { mkdir "$_[0]/leak"; open my $o, '>', "$_[0]/leak/secret"; print {$o} 'x' x 40;
        close $o; chmod 0644, "$_[0]/leak/secret" }, '/leak', qr/SSO0030: secret \S+: must belong to .* mode 0600/],
    ['an empty secret', sub { mkdir "$_[0]/empty"; open my $o, '>', "$_[0]/empty/secret"; close $o;
        chmod 0600, "$_[0]/empty/secret" }, '/empty', qr/SSO0030: secret \S+: is empty/],
    ['a link in place of the store', sub { mkdir "$_[0]/link"; symlink '/etc/passwd', "$_[0]/link/store.shm" }, '/link',
        qr/SSO0204: store: \S+ is not a plain file/],
);
for my $obstacle (@obstacles) {
    my ($name, $prepare, $dir, $says) = @$obstacle;
    my $httpd = site();
    $prepare->($httpd->dir);
    $httpd->configure(site_text(server => 'EdxSSOStateDir ' . $httpd->dir . "$dir\n"));
    my $complaint = $httpd->_run('-k start >/dev/null 2>&1');
    if ($says =~ /SSO02/) { # the store is opened when the command has gone already
        $httpd->wait_until(sub { $httpd->log_text =~ $says });
    } else {
        isnt($complaint, '', "$name: the command that starts httpd fails");
    }
    like($httpd->log_text, $says, "$name: the log says why");
    ok($httpd->wait_until(sub { !$httpd->pid || !EdxSSO::Httpd::_alive($httpd->pid) }), 'there is no httpd');
    chmod 0755, glob $httpd->dir . '/ro*';
}

# Two sites with one state directory and two starts at the same time: one secret
{
    my $first = site();
    my $second = site(more => 'EdxSSOStateDir ' . $first->dir . "/state\n");
    my $pid = fork // die "fork: $!\n";
    if (!$pid) { eval { $second->_run('-k start >/dev/null 2>&1') }; require POSIX; POSIX::_exit(0) }
    $first->start;
    waitpid $pid, 0;
    ok($second->wait_until(sub { $second->pid && $second->children >= 2 }), 'two httpds with one state directory');
    is(scalar(() = glob $first->dir . '/state/secret*'), 1, 'have one secret');
    ok(sign_in($first) && sign_in($second), 'and work');
}

done_testing();
