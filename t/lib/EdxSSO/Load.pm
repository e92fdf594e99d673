# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Load;
# Requests without end, by processes of their own, while a test does something to the server.
#
#   my $load = EdxSSO::Load->start(port => $port, path => '/app/file', cookies => ['edxsso=...', ...]);
#   ... restart, kill, hang ...
#   $load->reaches(500);       # waits until so many requests were made
#   my $seen = $load->stop;    # what all of them saw together; $load->complete: when each has made its `most`
#   $seen->{status}{200}; $seen->{retried}; $seen->{broken}; $seen->{slowest}; @{ $seen->{odd} };
#   EdxSSO::Load::quantile($seen, 0.99); EdxSSO::Load::summary($seen);
#
# Each client keeps its connection alive and takes the cookies in turn. As in browsers, a request on a kept
# connection that ends without a byte of an answer is sent once more on a new one, and counted as
# retried; one that fails on a new connection, or in the middle of an answer, is broken. What is not
# `expect` (200) is odd: the first few are kept with their time.
#
# Other work: start(each => sub { my ($client) = @_; ...; return 'a word' }): called again and
# again, its word is counted as a status, 'broken' as broken; `last` => sub { ... } is called once at
# the end and its hash reference comes back in @{ $seen->{last} }.
#
# Other options: clients (4), pause (seconds between the requests of a client: 0.005), headers (a
# string of header lines), host (localhost:PORT), most (requests a client, then it waits for the end).
use strict;
use warnings;
use File::Temp ();
use IO::Socket::INET;
use POSIX ();
use Storable ();
use Time::HiRes ();

my $PATIENCE = 60;      # seconds for an answer
my $WAIT = 120;         # seconds for a number of requests
my $LIFE = 600;         # seconds: a client whose test has gone ends by itself
my $TIMES_KEPT = 200_000;
my $ODD_KEPT = 10;

sub start {
    my ($class, %option) = @_;
    my $self = bless { clients => 4, pause => 0.005, path => '/', cookies => [], expect => 200, headers => '',
        %option, pids => [], owner => $$,
        dir => File::Temp::tempdir('edxsso-load-XXXXXX', TMPDIR => 1, CLEANUP => 1) }, $class;
    # who is told to end before it has begun ends when it has
    my ($end, $were) = (POSIX::SigSet->new(POSIX::SIGTERM()), POSIX::SigSet->new);
    POSIX::sigprocmask(POSIX::SIG_BLOCK(), $end, $were);
    for my $number (0 .. $self->{clients} - 1) {
        my $pid = fork;
        die "fork: $!\n" unless defined $pid;
        if (!$pid) {
            my $fine = eval { $self->_client($number); 1 };
            print STDERR "load: $@" unless $fine;
            POSIX::_exit($fine ? 0 : 1);
        }
        push @{ $self->{pids} }, $pid;
    }
    POSIX::sigprocmask(POSIX::SIG_SETMASK(), $were);
    return $self;
}

# How many requests have been made so far: each is a byte in a file of its client.
sub so_far { my ($self) = @_; my $sum = 0; $sum += -s $_ // 0 for glob "$self->{dir}/*.made"; return $sum }

sub reaches {
    my ($self, $number) = @_;
    for (1 .. $WAIT * 50) {
        return 1 if $self->so_far >= $number;
        select undef, undef, undef, 0.02;
    }
    return 0;
}

sub complete { my ($self) = @_; $self->reaches($self->{most} * $self->{clients}); return $self->stop }

# End them; what they saw.
sub stop {
    my ($self) = @_;
    kill TERM => @{ $self->{pids} };
    my %all = (requests => 0, retried => 0, broken => 0, slowest => 0, status => {}, odd => [], last => [], times => []);
    for my $number (0 .. $#{ $self->{pids} }) {
        waitpid $self->{pids}[$number], 0;
        my $of = eval { Storable::retrieve("$self->{dir}/$number") };
        push(@{ $all{odd} }, "client $number left nothing"), next unless $of;
        $all{$_} += $of->{$_} for qw(requests retried broken);
        $all{status}{$_} += $of->{status}{$_} for keys %{ $of->{status} };
        push @{ $all{odd} }, @{ $of->{odd} };
        push @{ $all{last} }, $of->{last} if $of->{last};
        push @{ $all{times} }, unpack 'f*', $of->{times};
        $all{slowest} = $of->{slowest} if $of->{slowest} > $all{slowest};
    }
    $self->{pids} = [];
    @{ $all{times} } = sort { $a <=> $b } @{ $all{times} };
    return \%all;
}

sub quantile {
    my ($seen, $part) = @_;
    my $times = $seen->{times};
    return @$times ? $times->[int($part * $#$times)] : 0;
}

sub summary {
    my ($seen) = @_;
    return sprintf '%d requests: %s; %d retried, %d broken; median %.1f ms, p99 %.1f ms, slowest %.0f ms%s',
        $seen->{requests}, join(', ', map { "$seen->{status}{$_} x $_" } sort keys %{ $seen->{status} }),
        $seen->{retried}, $seen->{broken}, quantile($seen, 0.5) * 1000, quantile($seen, 0.99) * 1000,
        $seen->{slowest} * 1000, join '', map { "\n  $_" } @{ $seen->{odd} }[0 .. ($#{ $seen->{odd} } > 9 ? 9 : $#{ $seen->{odd} })];
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    kill KILL => $_ for @{ $self->{pids} };
    return;
}

# ---- one client

my $ends;

sub _client {
    my ($self, $number) = @_;
    my $until = time + $LIFE;
    # restarted calls: the end of the test must not cut off a request
    POSIX::sigaction(POSIX::SIGTERM(), POSIX::SigAction->new(sub { $ends = 1 }, POSIX::SigSet->new, POSIX::SA_RESTART()));
    POSIX::sigprocmask(POSIX::SIG_UNBLOCK(), POSIX::SigSet->new(POSIX::SIGTERM()));
    local $SIG{PIPE} = 'IGNORE';
    srand($$);
    open my $made, '>', "$self->{dir}/$number.made" or die "$!\n";
    my %seen = (requests => 0, retried => 0, broken => 0, slowest => 0, status => {}, odd => [], times => '');
    for (my $n = 0; !$ends && time < $until; $n++) {
        if (defined $self->{most} && $n >= $self->{most}) {
            select undef, undef, undef, 0.05;
            next;
        }
        my $began = Time::HiRes::time();
        my $word = $self->{each} ? $self->{each}->($number) : $self->_request(\%seen, $number + $n);
        my $took = Time::HiRes::time() - $began;
        $seen{requests}++;
        syswrite $made, '.';
        if ($word eq 'broken') {
            $seen{broken}++;
        }
        else {
            $seen{status}{$word}++;
        }
        push @{ $seen{odd} }, sprintf('%.3f after %.3f s: %s', $began, $took, substr "$word " . ($self->{what} // ''), 0, 300)
            if $word ne $self->{expect} && $word ne 'broken' && @{ $seen{odd} } < $ODD_KEPT;
        $seen{slowest} = $took if $took > $seen{slowest};
        $seen{times} .= pack 'f', $took if length $seen{times} < 4 * $TIMES_KEPT;
        select undef, undef, undef, $self->{pause} if $self->{pause};
    }
    $seen{last} = $self->{last}->($number) if $self->{last};
    Storable::store(\%seen, "$self->{dir}/$number");
    return;
}

sub _request {
    my ($self, $seen, $n) = @_;
    my @cookies = @{ $self->{cookies} };
    my $text = "GET $self->{path} HTTP/1.1\r\nHost: " . ($self->{host} // "localhost:$self->{port}")
        . "\r\nAccept: text/html\r\nSec-Fetch-Mode: navigate\r\n"
        . (@cookies ? "Cookie: $cookies[$n % @cookies]\r\n" : '') . "$self->{headers}\r\n";
    for my $attempt (0, 1) {
        my $kept = defined $self->{socket};
        my $word = $self->_exchange($text);
        if ($word eq 'nothing' && $kept && !$attempt) {
            $seen->{retried}++;
            next;
        }
        return $word eq 'nothing' ? 'broken' : $word;
    }
}

# Send; the status, 'nothing' when not a byte came, 'broken' when the answer was cut off.
sub _exchange {
    my ($self, $text) = @_;
    my $socket = $self->{socket} ||= IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port},
        Timeout => $PATIENCE) or return 'nothing';
    my $answer = '';
    my $whole;
    my $fine = eval {
        local $SIG{ALRM} = sub { die "no answer in time\n" };
        alarm $PATIENCE;
        _write($socket, $text);
        until ($whole = _whole($answer)) {
            my $n = sysread $socket, $answer, 65536, length $answer;
            next if !defined $n && $!{EINTR};
            last unless $n;
        }
        1;
    };
    alarm 0;
    if (!$whole || $answer =~ /^Connection:\s*close/mi) {
        close $socket;
        delete $self->{socket};
    }
    $self->{what} = ($answer =~ /\A([^\r\n]*)/)[0] . ($answer =~ /^Location:\s*(\S{1,60})/mi ? " to $1" : '');
    return 'late' unless $fine;
    return $answer =~ m{\AHTTP/1\.1 (\d{3})} ? $1 : 'broken' if $whole;
    return length $answer ? 'broken' : 'nothing';
}

sub _write {
    my ($socket, $text) = @_;
    my $sent = 0;
    while ($sent < length $text) {
        my $n = syswrite $socket, $text, length($text) - $sent, $sent;
        next if !defined $n && $!{EINTR};
        return unless $n;
        $sent += $n;
    }
    return;
}

sub _whole {
    my $at = index $_[0], "\r\n\r\n";
    return 0 if $at < 0;
    my $head = substr $_[0], 0, $at + 2;
    return 1 if $head =~ m{\AHTTP/1\.1 (?:204|304)};
    return length($_[0]) >= $at + 4 + $1 if $head =~ /^Content-Length:\s*(\d+)/mi;
    return $_[0] =~ /\r\n0\r\n\r\n\z/ if $head =~ /^Transfer-Encoding:\s*chunked/mi;
    return 0;
}

1;
