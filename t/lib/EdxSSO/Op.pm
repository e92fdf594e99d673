# SPDX-License-Identifier: Apache-2.0
package EdxSSO::Op;
# A stand-in OpenID provider of a test's own (t/idp/oidc.py), with a client that may refresh; and
# many requests at once.
#
#   my $op = EdxSSO::Op->new;                      # settings by name: access_life => 3
#   $op->section('op', "EdxSSOTokenRefresh 10m\n") # of httpd's configuration
#   $op->ctl(config => { ... }); $op->ctl('state')->{reused};
#   $op->calls('/token', 'refresh_token');         # requests of that grant
#   my @answers = at_once($port, 200, $path, $cookie, "More: header lines\r\n");
use strict;
use warnings;
use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use JSON::PP ();
use EdxSSO::Browser;
use EdxSSO::Servers;
our @EXPORT = qw(at_once);

my $PATIENCE = 60;

sub new {
    my ($class, %settings) = @_;
    my $servers = EdxSSO::Servers->new;
    my $self = bless { servers => $servers, root => scalar $servers->start('/usr/bin/python3', 't/idp/oidc.py') }, $class;
    return $self->reset(%settings);
}

sub reset {
    my ($self, %settings) = @_;
    $self->ctl(reset => {});
    $self->ctl(config => { refresh => 'always', default_user => 'jane', reuse_detection => JSON::PP::true(), %settings });
    return $self;
}

sub root { return $_[0]{root} }

sub ctl {
    my ($self, $what, $given) = @_;
    my $caller = EdxSSO::Browser->new(base => $self->{root}, as => 'plain');
    my $answer = defined $given
        ? $caller->request(POST => "/_ctl/$what", body => JSON::PP->new->encode($given), headers => [['Content-Type', 'application/json']])
        : $caller->get("/_ctl/$what");
    die "stand-in provider: $what: " . $answer->status . ' ' . $answer->body . "\n" if $answer->status != 200;
    return $answer->json;
}

sub section {
    my ($self, $name, $more) = @_;
    return "<EdxSSOProvider $name oidc>\nEdxSSOIssuer $self->{root}\nEdxSSOClientID rp\n"
        . "EdxSSOClientSecret rp-secret-of-at-least-thirty-two-bytes\n" . ($more // '') . "</EdxSSOProvider>\n";
}

sub requests {
    my ($self, $endpoint, $kind) = @_;
    my $record = $self->ctl("requests?endpoint=$endpoint&last=1000")->{requests} or return;
    return grep { !$kind || ($_->{form}{grant_type} // [''])->[0] eq $kind } @$record;
}

sub calls { my ($self, @what) = @_; my @found = $self->requests(@what); return scalar @found }

# So many requests, all sent before the first answer is read. One EdxSSO::Answer each.
sub at_once {
    my ($ports, $count, $path, $cookie, $more) = @_;
    my $headers = (defined $cookie ? "Cookie: $cookie\r\n" : '') . ($more // '');
    my @ports = ref $ports ? @$ports : $ports;
    my (@answers, %text);
    my $select = IO::Select->new;
    for my $n (0 .. $count - 1) {
        my $port = $ports[$n % @ports];
        my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) or next;
        $socket->syswrite("GET $path HTTP/1.1\r\nHost: localhost:$ports[0]\r\nAccept: text/html\r\n${headers}Connection: close\r\n\r\n");
        $select->add($socket);
        $text{$socket} = '';
    }
    my $until = time + $PATIENCE;
    while ($select->count && time < $until) {
        for my $socket ($select->can_read(1)) {
            next if sysread $socket, $text{$socket}, 65536, length $text{$socket};
            push @answers, EdxSSO::Answer->parse($text{$socket}) if $text{$socket};
            $select->remove($socket);
        }
    }
    return @answers;
}

1;
