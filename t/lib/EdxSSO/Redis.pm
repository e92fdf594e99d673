# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Redis;
# A Redis server of a test's own: on a port and a Unix socket, with a password, its data in a folder
# that outlives a stop and a start.
#
#   my $redis = EdxSSO::Redis->new->start;          # undef where there is no redis-server
#   $redis->url; $redis->unix_url; $redis->port; $redis->password;
#   $redis->ask('CONFIG', 'SET', 'x', 'y');         # one command on a connection of its own
#   my @commands = $redis->watch(sub { ... });      # what clients sent meanwhile, by MONITOR
#   $redis->stop (keeps what it has); $redis->start; $redis->signal('STOP'); $redis->signal('CONT');
use strict;
use warnings;
use File::Path ();
use File::Temp ();
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use EdxSSO::Httpd;

my $PATIENCE = 60;

sub program {
    for my $dir (split(/:/, $ENV{PATH} // ''), '/usr/bin', '/usr/sbin', '/usr/local/bin') {
        return "$dir/redis-server" if -x "$dir/redis-server";
    }
    return;
}

sub new {
    my ($class, %option) = @_;
    return unless program();
    return bless { port => EdxSSO::Httpd::free_port(), password => 'p@ss:w/rd', owner => $$,
        dir => File::Temp::tempdir('edxsso-redis-XXXXXX', TMPDIR => 1), %option }, $class;
}

sub port { return $_[0]{port} }
sub pid { return $_[0]{pid} }
sub password { return $_[0]{password} }
sub socket_path { return "$_[0]{dir}/redis.sock" }

sub _password_text {
    my ($self) = @_;
    (my $text = $self->{password}) =~ s/([^A-Za-z0-9])/sprintf '%%%02X', ord $1/ge;
    return $text;
}

sub url { return "redis://:" . $_[0]->_password_text . "\@127.0.0.1:$_[0]{port}" }
sub unix_url { return "redis+unix://:" . $_[0]->_password_text . "\@$_[0]{dir}/redis.sock" }

sub start {
    my ($self) = @_;
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', "$self->{dir}/log";
        open STDERR, '>&', \*STDOUT;
        exec('setpriv', '--pdeathsig', 'KILL', program(), '--bind', '127.0.0.1', '--port', $self->{port}, '--dir', $self->{dir},
            '--unixsocket', $self->socket_path, '--unixsocketperm', '700', '--requirepass', $self->{password},
            '--save', '', '--appendonly', 'no', '--daemonize', 'no') or POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    for (1 .. $PATIENCE * 20) {
        return $self if eval { $self->ask('PING') eq 'PONG' };
        select undef, undef, undef, 0.05;
    }
    die "redis-server is not up: see $self->{dir}/log\n";
}

sub signal { my ($self, $name) = @_; return kill $name => $self->{pid} }

# keep => 0: what it has is lost
sub stop {
    my ($self, %option) = @_;
    return unless $self->{pid};
    $self->signal('CONT');
    eval { $self->ask('SAVE') } unless defined $option{keep} && !$option{keep};
    unlink "$self->{dir}/dump.rdb" if defined $option{keep} && !$option{keep};
    $self->signal('KILL');
    waitpid delete $self->{pid}, 0;
    return;
}

# ---- the protocol: as much of it as tests need

sub _connect {
    my ($self) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 30) or die "connect: $!\n";
    _say($socket, 'AUTH', $self->{password}) eq 'OK' or die "AUTH\n";
    return $socket;
}

sub _say {
    my ($socket, @words) = @_;
    syswrite $socket, join '', '*' . @words . "\r\n", map { '$' . length($_) . "\r\n$_\r\n" } @words;
    return _answer($socket);
}

sub _line {
    my ($socket) = @_;
    my $line = '';
    until ($line =~ /\r\n\z/) {
        IO::Select->new($socket)->can_read(30) or die "no answer\n";
        sysread($socket, $line, 1, length $line) or die "end\n";
    }
    return substr $line, 0, -2;
}

sub _answer {
    my ($socket) = @_;
    my ($type, $rest) = _line($socket) =~ /\A(.)(.*)/s;
    return $rest if $type =~ /[+:-]/;
    return [map { _answer($socket) } 1 .. $rest] if $type eq '*';
    return if $rest < 0;
    my $text = '';
    while (length $text < $rest + 2) {
        IO::Select->new($socket)->can_read(30) or die "no answer\n";
        sysread($socket, $text, $rest + 2 - length $text, length $text) or die "end\n";
    }
    return substr $text, 0, -2;
}

sub ask { my ($self, @words) = @_; return _say($self->_connect, @words) }

# Each command of others as its first word, but for what scripts do inside and our own.
sub watch {
    my ($self, $work) = @_;
    my $socket = $self->_connect;
    _say($socket, 'MONITOR');
    $work->();
    $self->ask('ECHO', 'this is the end');
    my @seen;
    while ((my $line = _line($socket)) !~ /"ECHO" "this is the end"/) {
        push @seen, uc $1 if $line =~ /\[\d+ (?!lua)[^\]]*\] "(\w+)"/;
    }
    return grep { $_ ne 'AUTH' } @seen;
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local $?;
    $self->stop(keep => 0);
    File::Path::remove_tree($self->{dir});
    return;
}

1;
