# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Servers;
# The servers around httpd in a test: stand-in providers and the backend behind mod_proxy. Each is
# a program that prints one line with its URL when it is ready. Its URL becomes an environment
# variable, which httpd's configuration (${LMS_ROOT}) and the tests read. They end with us, even
# when we are killed: the kernel sees to that.
use strict;
use warnings;
use Cwd ();
use IO::Select;
use POSIX ();

my $PATIENCE = 60; # seconds until a server must be ready

# environment variable, program, its arguments: a program that is not there is left out
our @SERVERS = (
    [LMS_ROOT   => 't/idp/lms.py', '--write-jwks', 't/logs/lms-jwks.json', '--write-hs-secret', 't/logs/lms-hs-secret'],
    [LMS2_ROOT  => 't/idp/lms.py', '--public-port', '0', '--write-jwks', 't/logs/lms2-jwks.json'],
    [ENTRA_ROOT => 't/idp/entra.py'],
    [OIDC_ROOT  => 't/idp/oidc.py'],
    [SOCIAL_ROOT => 't/idp/social.py', '--write-apple-secret', 't/logs/apple-secret'],
    [ECHO_ROOT  => 't/lib/echo.py'],
);

my $UNREACHABLE = 'http://127.0.0.1:9'; # what a configuration reads for a server that is not there

sub new {
    my ($class, %option) = @_;
    return bless { pids => [], owner => $$, logs => $option{logs} || 't/logs' }, $class;
}

# Start all of @SERVERS and set their variables.
sub start_all {
    my ($self) = @_;
    for my $server (@SERVERS) {
        my ($variable, $program, @arguments) = @$server;
        ($ENV{$variable}, my $public) = -e $program
            ? $self->start('/usr/bin/python3', $program, @arguments) : $UNREACHABLE;
        (my $for_browsers = $variable) =~ s/_ROOT$/_PUBLIC/;
        $ENV{$for_browsers} = $public // $ENV{$variable};
    }
    $ENV{GRAPH_ROOT} = $ENV{ENTRA_PUBLIC}; # what the stand-in Entra prints second
    # LMS_FILES/lms-jwks.json: its public keys; LMS_FILES/lms-hs-secret: the key of its HS256 tokens
    $ENV{LMS_FILES} = Cwd::abs_path($self->{logs});
    $ENV{LMS_JWKS} = _text("$self->{logs}/lms-jwks.json"); # for EdxSSOJWKS with the keys themselves
    return $self;
}

sub _text {
    my ($file) = @_;
    open my $in, '<', $file or return '';
    local $/;
    my $text = <$in>;
    $text =~ s/\s+\z//;
    return $text;
}

# Start one; returns the URL that it printed, and a second one, for browsers, if there is one. Its later
# output goes to t/logs/NAME.log.
sub start {
    my ($self, @command) = @_;
    my ($name) = ((grep { /\.\w+$/ } @command), $command[0]);
    $name =~ s{.*/|\.\w+$}{}g;
    pipe(my $out, my $in) or die "pipe: $!\n";
    my $pid = fork;
    die "fork: $!\n" unless defined $pid;
    if (!$pid) {
        close $out;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>&', $in;
        open STDERR, '>>', "$self->{logs}/$name.log" or die "$self->{logs}/$name.log: $!\n";
        exec('setpriv', '--pdeathsig', 'TERM', @command) or POSIX::_exit(127);
    }
    close $in;
    push @{ $self->{pids} }, $pid;
    my ($url, $public) = _urls_from($out);
    if (!$url) {
        $self->stop;
        die "@command: not ready after $PATIENCE s, see $self->{logs}/$name.log\n";
    }
    push @{ $self->{pipes} }, $out; # kept open: a server that prints more must not get SIGPIPE
    return wantarray ? ($url, $public) : $url;
}

sub _urls_from {
    my ($out) = @_;
    my ($text, $select, $until) = ('', IO::Select->new($out), time + $PATIENCE);
    while (time < $until) {
        next unless $select->can_read(1);
        sysread($out, $text, 4096, length $text) or return;
        return $text =~ m{(https?://[\w.:\[\]-]+)}g if $text =~ m{https?://[^\n]*\n};
    }
    return;
}

sub stop {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local $?;
    for my $pid (splice @{ $self->{pids} }) {
        kill TERM => $pid;
        for (1 .. 50) {
            last if waitpid($pid, POSIX::WNOHANG()) != 0;
            select undef, undef, undef, 0.1;
            kill KILL => $pid if $_ == 40;
        }
    }
    return;
}

sub DESTROY { $_[0]->stop }

1;
