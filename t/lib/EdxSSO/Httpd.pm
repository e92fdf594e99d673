# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Httpd;
# An httpd of a test's own, for what the shared one cannot be used for: messages of httpd -t,
# restarts, crashes, other MPMs, TLS.
#
#   my ($exit, $output) = EdxSSO::Httpd->config_test("EdxSSOPath nowhere\n");
#   my $httpd = EdxSSO::Httpd->new(config => '...', mpm => 'worker');  # @PORT@ @DIR@ are replaced
#   $httpd->start; $httpd->url; $httpd->error_log; $httpd->graceful; $httpd->restart;
#   $httpd->children; $httpd->kill(KILL => $pid); $httpd->stop;
#   $httpd->crash;               # SIGKILL for all of it at once
#   $httpd->configure('...');    # another configuration from the next start or restart on
#
# Options: mpm (event), modules (more to load: [qw(cgid proxy ssl)]), without (not to load: [qw(watchdog)]), env,
# defines (-D). The directory goes
# away with the object, unless TEST_KEEP is set.
use strict;
use warnings;
use Cwd ();
use File::Path ();
use File::Temp ();
use IO::Socket::INET;

my @BASE_MODULES = qw(log_config mime dir alias env headers setenvif authn_core authz_core authz_user
    authn_file auth_basic unixd proxy proxy_http status watchdog);
my $PATIENCE = 60; # seconds for start and stop, and for what a test waits for

sub apxs {
    my ($what) = @_;
    my $apxs = $ENV{APXS} || 'apxs';
    chomp(my $value = `$apxs -q $what`);
    return $value;
}

my %found;
sub program { return $found{program} ||= apxs('SBINDIR') . '/' . apxs('PROGNAME') }
sub module_dir { return $found{dir} ||= apxs('LIBEXECDIR') }
sub module_so { return ($ENV{BUILD_DIR} || Cwd::getcwd()) . '/.libs/mod_auth_edxsso.so' }

# A port where nobody listens, and which nobody else is given as long as this test runs: a socket that is bound, and
# does not listen, keeps it; a server that sets SO_REUSEADDR can have it all the same.
my @reserved;
sub free_port {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Proto => 'tcp', ReuseAddr => 1) or die "no port: $!\n";
    push @reserved, $socket;
    return $socket->sockport;
}

# LoadModule lines for those that are neither built in nor loaded already.
sub load_lines {
    my (@names) = @_;
    my $dir = module_dir();
    return join '', map { "<IfModule !${_}_module>\nLoadModule ${_}_module $dir/mod_$_.so\n</IfModule>\n" }
        grep { -e "$dir/mod_$_.so" } @names;
}

sub new {
    my ($class, %option) = @_;
    my $dir = File::Temp::tempdir('edxsso-XXXXXX', TMPDIR => 1);
    chmod 0755, $dir;
    my $self = bless { mpm => $ENV{TEST_MPM} || 'event', modules => [], without => [], defines => [], env => {}, %option,
        dir => $dir, port => $option{port} || free_port(), owner => $$, ups => 0 }, $class;
    mkdir "$dir/$_" for qw(htdocs logs state);
    return $self->configure($self->{config});
}

sub configure {
    my ($self, $config) = @_;
    my $file = "$self->{dir}/httpd.conf";
    $self->{config} = $config;
    open my $out, '>', $file or die "$file: $!\n";
    print {$out} $self->_text;
    close $out or die "$file: $!\n";
    return $self;
}

sub _text {
    my ($self) = @_;
    my $dir = $self->{dir};
    my %without = map { $_ => 1 } @{ $self->{without} };
    # a busy machine makes providers slow
    my $patience = ($self->{config} // '') =~ /EdxSSOHTTPTimeout/ ? '' : "EdxSSOHTTPTimeout 5s 20s\n";
    my $text = "ServerRoot $dir\nServerName localhost:$self->{port}\n"
        . ($self->{listen} // "Listen 127.0.0.1:$self->{port}\n")
        . "PidFile $dir/httpd.pid\nErrorLog $dir/logs/error_log\nLogLevel info"
        . ($self->{without_module} ? "\n" : " auth_edxsso:trace8\n")
        . "DefaultRuntimeDir $dir/logs\nDocumentRoot $dir/htdocs\n"
        . load_lines("mpm_$self->{mpm}", grep({ !$without{$_} } @BASE_MODULES), @{ $self->{modules} })
        . ($self->{without_module} ? '' : 'LoadModule auth_edxsso_module ' . module_so() . "\nEdxSSOStateDir $dir/state\n$patience")
        . "TypesConfig /dev/null\nCustomLog $dir/logs/access_log \"%h %l %u %t \\\"%r\\\" %>s %b\"\n"
        . "StartServers 2\n<IfModule !mpm_prefork_module>\nServerLimit 4\nThreadsPerChild 16\n"
        . "MaxRequestWorkers 64\nMinSpareThreads 1\nMaxSpareThreads 64\n</IfModule>\n"
        . ($self->{config} // '');
    $text =~ s/\@PORT\@/$self->{port}/g;
    $text =~ s/\@DIR\@/$dir/g;
    return $text;
}

# httpd -t with these lines in its configuration: exit code and all it printed.
sub config_test {
    my ($self, $config, %option) = @_;
    $self = $self->new(config => $config, %option) unless ref $self;
    my $output = $self->_run('-t', 1);
    return ($? >> 8, $output);
}

sub dir { return $_[0]{dir} }
sub port { return $_[0]{port} }
sub url { return "http://localhost:$_[0]{port}" }
sub error_log { return "$_[0]{dir}/logs/error_log" }
sub pid_file { return "$_[0]{dir}/httpd.pid" }

sub log_text {
    my ($self) = @_;
    open my $in, '<', $self->error_log or return '';
    local $/;
    return scalar <$in> // '';
}

sub pid {
    my ($self) = @_;
    open my $in, '<', $self->pid_file or return;
    chomp(my $pid = <$in> // '');
    return $pid =~ /^\d+$/ ? $pid : undef;
}

sub children {
    my ($self) = @_;
    my $parent = $self->pid or return;
    my @found;
    for my $stat (glob '/proc/[0-9]*/stat') {
        open my $in, '<', $stat or next;
        my $text = <$in> // next;
        push @found, $1 if $text =~ /^(\d+) \(.*\) [^Z] (\d+) /s && $2 == $parent;
    }
    return @found;
}

# How many there are right after a start.
sub _first_children {
    my ($self) = @_;
    my ($servers) = reverse $self->_text =~ /^\s*StartServers\s+(\d+)/mg;
    return $servers + grep { $_ eq 'cgid' } @{ $self->{modules} };
}

sub _run {
    my ($self, $arguments, $wants_output) = @_;
    local %ENV = (%ENV, %{ $self->{env} });
    my $defines = join ' ', map { "-D $_" } @{ $self->{defines} };
    my $command = program() . " -d $self->{dir} -f $self->{dir}/httpd.conf $defines $arguments";
    my $output = `$command 2>&1 </dev/null`;
    return $wants_output ? $output : $? == 0 ? '' : "$command: $output";
}

sub start {
    my ($self) = @_;
    # its output goes to a file: a pipe would be held open by the daemon
    my $complaint = $self->_run("-k start >$self->{dir}/logs/start 2>&1");
    if ($complaint) {
        open my $in, '<', "$self->{dir}/logs/start";
        die "$complaint\n" . join('', <$in>) . $self->log_text;
    }
    $self->wait_until(sub { $self->pid && $self->children >= $self->_first_children
            && IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}) })
        or die "httpd is not up after $PATIENCE s: process " . ($self->pid // 'none') . ', ' . scalar($self->children)
            . ' of ' . $self->_first_children . " children\n" . $self->log_text;
    $self->{ups}++;
    return $self;
}

sub wait_until {
    my ($self, $is_so) = @_;
    for (1 .. $PATIENCE * 20) {
        return 1 if $is_so->();
        select undef, undef, undef, 0.05;
    }
    return 0;
}

sub kill {
    my ($self, $signal, $pid) = @_;
    return CORE::kill($signal, $pid // $self->pid);
}

sub graceful { my ($self, %option) = @_; return $self->_again('USR1', %option) } # overlap => 1: the old children may still be there
sub restart { return $_[0]->_again('HUP') }

# Signal, then wait for the log to say that it was done, and for the children of before, who answer by the old
# configuration as long as they have not heard of it. The start is in the log after the port is open.
sub _again {
    my ($self, $signal, %option) = @_;
    my $ups = sub { my $n = () = $self->log_text =~ /\bAH00094: /g; $n };
    $self->wait_until(sub { $ups->() >= $self->{ups} });
    my ($before, %old) = ($ups->(), map { $_ => 1 } $self->children);
    $self->kill($signal);
    $self->wait_until(sub { $ups->() > $before }) or return 0;
    $self->{ups} = $ups->();
    return $option{overlap} || $self->wait_until(sub { !grep { $old{$_} } $self->children });
}

sub stop {
    my ($self) = @_;
    my $pid = $self->pid or return 1;
    CORE::kill(TERM => $pid);
    my $gone = $self->wait_until(sub { !CORE::kill(0, $pid) });
    CORE::kill(KILL => $pid, $self->children) unless $gone;
    unlink $self->pid_file;
    return $gone;
}

# The end without any goodbye; returns whether all are gone.
sub crash {
    my ($self) = @_;
    my $gone = $self->wait_until(sub { # also of a child that was just being born
        my @all = grep { _alive($_) } $self->pid // (), $self->_all;
        CORE::kill(KILL => @all);
        return !@all;
    });
    unlink $self->pid_file; # where nobody reaps it, the next start would take the dead one for running
    return $gone;
}

# Its processes, whoever is their parent.
sub _all {
    my ($self) = @_;
    my @found;
    for my $file (glob '/proc/[0-9]*/cmdline') {
        open my $in, '<', $file or next;
        push @found, $file =~ /(\d+)/ if index(<$in> // '', "\0-d\0$self->{dir}\0") >= 0;
    }
    return @found;
}

sub _alive {
    my ($pid) = @_;
    open my $in, '<', "/proc/$pid/stat" or return 0;
    return (<$in> // '') =~ /\) [^Z] /;
}

sub DESTROY {
    my ($self) = @_;
    return if $self->{owner} != $$;
    local ($?, $@);
    $self->stop;
    File::Path::remove_tree($self->{dir}) unless $ENV{TEST_KEEP};
    return;
}

1;
