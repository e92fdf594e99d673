# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Callgrind;
# Instructions that httpd spends on a request, counted by callgrind: exact, whatever else the machine does.
#
#   EdxSSO::Callgrind::program() or skip...;
#   my $counted = EdxSSO::Callgrind->start($httpd);       # `httpd -X`; the counterpart is $counted->stop
#   my $cost = $counted->each(sub { $counted->client->get('/x') });  # instructions of one
#
# One process serves all: a request of $MARK, which nobody else makes, has callgrind write down what it
# counted since the last one. They come by the same connection: under prefork there is no room for another. Two runs of different length are subtracted, so that what a mark itself and the
# first request cost does not count. The site must have mark_lines() in its configuration.
use strict;
use warnings;
use IO::Socket::INET;
use POSIX ();
use EdxSSO::Httpd;

our ($SHORT, $LONG) = (100, 500); # requests of the two runs
my $MARK = '/mark-of-callgrind';
my $WARM = 20;      # requests before counting: caches fill, tables grow
my $PATIENCE = 240; # seconds for a start

sub program {
    for my $dir (split /:/, $ENV{PATH} // '') {
        return "$dir/valgrind" if -x "$dir/valgrind";
    }
    return;
}

# mod_status alone calls ap_get_loadavg(), once a page
sub mark_lines {
    return "KeepAliveTimeout 300\nMaxKeepAliveRequests 0\nTimeout 300\n<Location $MARK>\nSetHandler server-status\n</Location>\n";
}

sub start {
    my ($class, $httpd) = @_;
    my $dir = $httpd->dir . '/callgrind';
    mkdir $dir;
    my $self = bless { httpd => $httpd, dir => $dir, owner => $$,
        client => EdxSSO::Callgrind::Client->new($httpd->port) }, $class;
    unlink glob "$dir/*";
    $self->{pid} = fork // die "fork: $!\n";
    if (!$self->{pid}) {
        open STDOUT, '>', "$dir/log";
        open STDERR, '>&', \*STDOUT;
        exec(program(), '--tool=callgrind', "--callgrind-out-file=$dir/out", '--dump-before=ap_get_loadavg',
            EdxSSO::Httpd::program(), '-X', '-d', $httpd->dir, '-f', $httpd->dir . '/httpd.conf') or POSIX::_exit(127);
    }
    for (1 .. $PATIENCE * 10) {
        return $self if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $httpd->port);
        die "httpd ended: see $dir/log\n" . $httpd->log_text if waitpid $self->{pid}, POSIX::WNOHANG();
        select undef, undef, undef, 0.1;
    }
    die "httpd is not up under callgrind after $PATIENCE s\n";
}

# Instructions since the last mark; keeps the file of it, for callgrind_annotate.
sub mark {
    my ($self) = @_;
    my $status = $self->{client}->get($MARK);
    die "$MARK answers $status: the site is without mark_lines()?\n" if $status != 200;
    my $file = sprintf '%s/out.%d', $self->{dir}, ++$self->{marks};
    open my $in, '<', $file or die "$file: $!\n";
    my ($sum) = map { /^(?:summary|totals): (\d+)/ ? $1 : () } <$in>;
    $self->{file} = $file;
    return $sum // die "$file says nothing\n";
}

# Instructions within a function and what it calls, between the last two marks.
sub within_call {
    my ($self, $function) = @_;
    open my $in, '-|', 'callgrind_annotate', '--inclusive=yes', '--auto=no', '--threshold=100', $self->{file}
        or die "callgrind_annotate: $!\n";
    while (my $line = <$in>) {
        next if $line !~ /^\s*([\d,]+) .*[:\s]\Q$function\E(?:\s|$)/;
        return $1 =~ tr/,//dr;
    }
    die "$function is not in $self->{file}\n";
}

sub file { return $_[0]{file} }
sub client { return $_[0]{client} }

sub each {
    my ($self, $work, %option) = @_;
    my ($short, $long) = @option{qw(short long)};
    $short //= $SHORT;
    $long //= $LONG;
    $work->() for 1 .. ($option{warm} // $WARM);
    $self->mark;
    my @sums = map { $work->() for 1 .. $_; $self->mark } $short, $long;
    return ($sums[1] - $sums[0]) / ($long - $short);
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    delete $self->{client}{socket}; # a process that waits for its next request does not end
    kill TERM => $pid;
    for (1 .. 600) {
        return if waitpid($pid, POSIX::WNOHANG()) != 0;
        select undef, undef, undef, 0.1;
    }
    kill KILL => $pid;
    waitpid $pid, 0;
    return;
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local $?;
    $self->stop;
    return;
}

# ---- a client with one connection that stays

package EdxSSO::Callgrind::Client;
use IO::Socket::INET;

# What browsers send
my @HEADERS = ('Connection: keep-alive', 'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"', 'sec-ch-ua-mobile: ?0',
    'sec-ch-ua-platform: "Linux"', 'Upgrade-Insecure-Requests: 1',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
    'Sec-Fetch-Site: none', 'Sec-Fetch-Mode: navigate', 'Sec-Fetch-User: ?1', 'Sec-Fetch-Dest: document',
    'Accept-Encoding: identity', 'Accept-Language: en,tr;q=0.9');

sub new {
    my ($class, $port) = @_;
    return bless { port => $port }, $class;
}

# GET; the status. @more are header lines; the whole answer is in $client->{answer}.
sub get {
    my ($self, $path, @more) = @_;
    my $socket = $self->{socket} ||= IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port})
        or die "connect: $!\n";
    my $text = join "\r\n", "GET $path HTTP/1.1", "Host: localhost:$self->{port}", @HEADERS, @more, '', '';
    syswrite($socket, $text) == length $text or die "write: $!\n";
    my $answer = '';
    my $rest;
    while (!defined $rest || length $answer < $rest) {
        sysread($socket, $answer, 65536, length $answer) or last;
        next if defined $rest;
        my $end = index $answer, "\r\n\r\n";
        next if $end < 0;
        my $head = substr $answer, 0, $end + 4;
        my ($length) = $head =~ /^Content-Length: (\d+)/mi;
        $rest = $end + 4 + ($length // 0);
        if ($head =~ /^Transfer-Encoding: chunked/mi) {
            sysread($socket, $answer, 65536, length $answer) or last until $answer =~ /(?:\r\n|\A)0\r\n\r\n\z/;
            $rest = length $answer;
        }
    }
    $self->{answer} = $answer;
    delete $self->{socket} if $answer =~ /^Connection: close/mi;
    my ($status) = $answer =~ m{\AHTTP/1\.1 (\d{3})};
    return $status // die "no answer for $path\n";
}

1;
