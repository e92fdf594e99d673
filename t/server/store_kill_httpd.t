# SPDX-License-Identifier: Apache-2.0
# Children of httpd are killed at any moment while people work and sign in: the store is never stuck,
# and no session is lost.
use strict;
use warnings;
use EdxSSO::Test;
use EdxSSO::SignIn;
use EdxSSO::Site;

my $KILLS = slow() ? 500 : 30;
my $CHILDREN = 48;
my $SURVIVORS = 4;
my $MOMENT = slow() ? 0.05 : 0.1; # seconds between two kills, at most
my $PATIENCE = 2; # seconds for an answer
my $THREADS = 2 * $CHILDREN;
my $END = time + 600;
my $ROUNDS = 5; # a machine that is busy with something else makes anybody wait: that the store does is so each time

alone();
own_lms();
lms_reset();
# all of it in one shard, so that everybody meets at one lock
my $httpd = site(mpm => 'event', server => "EdxSSOStore shm:4M\n", more => "LogLevel warn auth_edxsso:info\n"
    . "ServerLimit $CHILDREN\nStartServers $CHILDREN\nThreadsPerChild 2\nMaxRequestWorkers $THREADS\n"
    . "MinSpareThreads $THREADS\nMaxSpareThreads $THREADS\n")->start;
my @cookies = map { cookie_of(sign_in($httpd)) } 1 .. 8;

# Kills so many while people work and sign in; what those saw.
sub kill_meanwhile {
    my $load = load($httpd, @cookies, { clients => 3, pause => 0 });
    my @mine;
    my $new = EdxSSO::Load->start(clients => 2, pause => 0.05, expect => 'in',
        each => sub {
            my $browser = sign_in($httpd) or return 'broken'; # judged by the sessions that were begun
            push @mine, cookie_of($browser);
            return 'in';
        },
        last => sub { return { cookies => [@mine] } });

    my $kills = 0;
    while ($kills < $KILLS && time < $END) {
        my @children;
        $httpd->wait_until(sub { (@children = $httpd->children) >= $CHILDREN - 2 });
        my @victims = @children[0 .. $#children - $SURVIVORS];
        @victims = @victims[0 .. $KILLS - $kills - 1] if @victims > $KILLS - $kills;
        for my $pid (@victims) {
            select undef, undef, undef, rand $MOMENT;
            $load->reaches(11 * $kills); # there are requests in between, however slow they are
            $kills += kill KILL => $pid;
        }
    }
    $load->reaches(13 * $KILLS);
    $new->reaches($new->so_far + 6);
    return ($kills, $load->stop, $new->stop);
}
my ($seen, @new);
for my $round (1 .. $ROUNDS) {
    (my $kills, $seen, my $signed_in) = kill_meanwhile();
    is($kills, $KILLS, "$KILLS children killed");
    note(EdxSSO::Load::summary($seen));
    note('sign-ins: ' . EdxSSO::Load::summary($signed_in));
    cmp_ok($seen->{status}{200} // 0, '>', 10 * $KILLS, 'requests of signed-in users meanwhile');
    is(join(' ', sort keys %{ $seen->{status} }), 200, 'each was answered with 200, or its connection broke')
        or diag(EdxSSO::Load::summary($seen));
    cmp_ok($seen->{broken}, '<=', $kills * 2, 'no more broke than there were threads');
    cmp_ok($signed_in->{status}{in} // 0, '>', 2, 'people signed in');
    # the store is small: what was used least recently may have had to go
    @new = map { my @of = @{ $_->{cookies} }; @of > 60 ? @of[-60 .. -1] : @of } @{ $signed_in->{last} };
    last if $seen->{slowest} < $PATIENCE;
}
cmp_ok($seen->{slowest}, '<', $PATIENCE, "within $PATIENCE s");
my @all = (@cookies, @new);
is(alive($httpd, @all), scalar @all, 'all of ' . @all . ' sessions are alive');
my @repaired = $httpd->log_text =~ /(SSO0225: .*)/g;
note(scalar(@repaired) . ' times a process died while it wrote', map { "\n  $_" } @repaired[0 .. ($#repaired > 4 ? 4 : $#repaired)]);
is(scalar(grep { !/, [01] dropped/ } @repaired), 0, 'nothing was dropped but what was being written');
unlike($httpd->log_text, qr/SSO0(211|219|22[34678])/, 'no other complaint of the store');
in_time($PATIENCE, 'without waiting', sub { ok(sign_in($httpd), 'one can sign in') });

done_testing();
