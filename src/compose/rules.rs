//! Every rule of the loader: its id, what strict says, what docker does, and who decides so.
//!
//! A rule is broken at one place in the code, through [`super::place::Log::rule`], which alone knows what that
//! means in each mode. `docs/reference/compose-rules.md` is written from this table.

/// Whose rule it is, and thereby what breaking it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Docker refuses it as well: an error in both modes.
    Refused,
    /// Docker accepts it and loses or changes something: an error in strict, a warning in compat.
    Lossy,
    /// Docker sends it and the engine refuses it: an error in strict, a warning in compat.
    Engine,
    /// A rule of this project: an error in both modes.
    House,
    /// A newer spelling: read in strict; an error in compat, or a warning where docker reads something else.
    Modern,
    /// Accepted and said in both modes.
    Said,
}

impl Class {
    /// What a heading of the reference calls it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Refused => "Refused by docker too",
            Self::Lossy => "Lost or changed by docker",
            Self::Engine => "Sent by docker, refused by the engine",
            Self::House => "Rules of Holdfast",
            Self::Modern => "Newer spellings",
            Self::Said => "Accepted, and said",
        }
    }
}

macro_rules! rules {
    ($($(#[$meta:meta])* $name:ident $id:literal $class:ident $source:literal: $says:literal => $docker:literal;)*) => {
        /// A rule of the loader.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule {
            $(#[doc = $says] $name,)*
        }

        impl Rule {
            /// Every rule, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Short name for reports, fixtures and people.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id,)* }
            }

            /// Whose rule it is.
            #[must_use]
            pub const fn class(self) -> Class {
                match self { $(Self::$name => Class::$class,)* }
            }

            /// What breaks it, in one line.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Self::$name => $says,)* }
            }

            /// What docker does, and compat with it.
            #[must_use]
            pub const fn docker(self) -> &'static str {
                match self { $(Self::$name => $docker,)* }
            }

            /// True when compat does what docker does. Where it does not yet, compat refuses as strict does, so that
            /// what it accepts is always what docker would have sent.
            #[must_use]
            pub const fn followed(self) -> bool {
                match self.class() {
                    Class::Lossy | Class::Engine => !matches!(
                        self,
                        Self::YamlTag
                    ),
                    Class::Modern => matches!(self, Self::VariableNested),
                    Class::Refused | Class::House => false,
                    Class::Said => true,
                }
            }

            /// True for a rule of this project that does not hold where docker's own requests are asked for
            /// (`stack transcript --compat`).
            #[must_use]
            pub const fn lifted(self) -> bool {
                matches!(
                    self,
                    Self::ImageNotPinned
                        | Self::ImagePolicy
                        | Self::SecretPlain
                        | Self::SecretDriver
                        | Self::SecretUnknown
                )
            }

            /// The part of docker (or of this project) that decides so.
            #[must_use]
            pub const fn source(self) -> &'static str {
                match self { $(Self::$name => $source,)* }
            }
        }
    };
}

rules! {
    FileUnreadable "file-unreadable" Refused "loader": "a file that cannot be read" => "stops";
    FileNotUtf8 "file-not-utf8" Refused "yaml": "a file that is not UTF-8" => "stops";
    YamlSyntax "yaml-syntax" Refused "yaml": "text that is not YAML, or a key twice in one map" => "stops";
    YamlEmpty "yaml-empty" Refused "loader": "a file without a map at its top" => "stops";
    YamlMergeTwice "yaml-merge-twice" Refused "yaml": "the merge key `<<` twice in one map" => "stops";
    YamlMergeValue "yaml-merge-value" Refused "yaml": "a merge key with something else than maps" => "stops";
    YamlKeyType "yaml-key-type" Refused "schema": "a key that is a number, a date or true or false" => "stops";
    YamlNotFinite "yaml-not-finite" Refused "schema": "a number that is infinite or none" => "stops";
    VersionUnsupported "version-unsupported" Refused "schema": "a `version` other than 3 to 3.13" => "stops";
    VersionDiffers "version-differs" Refused "loader": "files with different versions" => "stops";
    KeyTooNew "key-too-new" Refused "schema": "a key that came with a later version than the file's" => "stops";
    KeyUnknown "key-unknown" Refused "schema": "a key that is not known where it stands" => "stops";
    KeyForbidden "key-forbidden" Refused "loader": "a key of old formats, such as `extends` or `mem_limit`" => "stops";
    NameInvalid "name-invalid" Refused "schema": "a name of a service, volume, secret or config with other characters than letters, digits, `.`, `_` and `-`" => "stops";
    ValueType "value-type" Refused "schema": "a value of another type than the key takes, also after a variable" => "stops";
    ItemsRepeated "items-repeated" Refused "schema": "the same item twice in a list" => "stops";
    VariableInvalid "variable-invalid" Refused "template": "a `$` that starts no variable" => "stops";
    VariableRequired "variable-required" Refused "template": "a variable that `?` requires and that is not set" => "stops";
    EnvFileLine "env-file-line" Refused "env file": "a line of an env file whose name is empty or holds spaces" => "stops";
    CommandQuote "command-quote" Refused "loader": "a command whose quotes do not close" => "stops";
    DurationInvalid "duration-invalid" Refused "schema": "a length of time that is none" => "stops";
    SizeInvalid "size-invalid" Refused "loader": "a size that is none" => "stops";
    CpusInvalid "cpus-invalid" Refused "convert": "a number of processors that is none, or finer than a billionth" => "stops";
    PortInvalid "port-invalid" Refused "schema": "a short port that is none" => "stops";
    VolumeInvalid "volume-invalid" Refused "loader": "a short volume with an empty part or too many colons" => "stops";
    MountType "mount-type" Refused "schema": "a mount without a type, or with an unknown one" => "stops";
    MountOptions "mount-options" Refused "convert": "a block of options that does not fit the type of the mount" => "stops";
    MountSource "mount-source" Refused "convert": "a bind without source, or a tmpfs with one" => "stops";
    HealthcheckDisabled "healthcheck-disabled" Refused "convert": "a disabled health check that has a test" => "stops";
    CredentialSpecTwo "credential-spec-two" Refused "convert": "a credential spec with two sources" => "stops";
    RestartInvalid "restart-invalid" Refused "convert": "a `restart` that is none, in a service without `deploy.restart_policy`" => "stops";
    SecretDriverFile "secret-driver-file" Refused "loader": "a secret with a driver and a file" => "stops";
    ModeUnknown "mode-unknown" Refused "convert": "a `deploy.mode` that is none" => "stops";
    OrderUnknown "order-unknown" Refused "schema": "an update `order` that is none" => "stops";
    ReplicasOfGlobal "replicas-of-global" Refused "convert": "`replicas` of a global service or job" => "stops";
    ImageMissing "image-missing" Refused "deploy": "a service without image" => "stops";
    ImageInvalid "image-invalid" Refused "deploy": "an image that is no reference" => "stops";
    NameUndefined "name-undefined" Refused "convert": "a network, volume, secret or config that no file declares" => "stops";
    TargetTwice "target-twice" Refused "convert": "two secrets or two configs at one target" => "stops";
    ObjectFile "object-file" Refused "convert": "a config, or a secret of docker's own, without file or external" => "stops";
    ExternalVolumeFields "external-volume-fields" Refused "loader": "driver, options or labels of an external volume" => "stops";
    ExternalNameTwice "external-name-twice" Refused "loader": "`external: {name: X}` beside `name`" => "stops";

    YamlDocuments "yaml-documents" Lossy "yaml": "a second document in a file" => "reads the first only";
    YamlTag "yaml-tag" Lossy "yaml": "a tag other than `!!str`" => "converts the value as the tag says";
    NetworkName "network-name" Lossy "schema": "a name of a network that the other sections do not allow" => "does not check the network at all";
    VariableUnset "variable-unset" Lossy "template": "a variable that is not set and has no default" => "puts nothing in its place";
    VariableForgotten "variable-forgotten" Lossy "template": "a wrong or required variable before another one in one text" => "forgets the failure and puts nothing in its place";
    VariableUnbraced "variable-unbraced" Lossy "template": "an operator behind a name without braces" => "takes the text up to the next `}` or the end of the line as its argument";
    VariableOperator "variable-operator" Lossy "template": "another operator inside the argument of an operator" => "splits at the first of `:-` `-` `:?` `?` that occurs anywhere";
    KeyDropped "key-dropped" Lossy "loader": "a key that docker drops without a word" => "drops it";
    KeyUnsupported "key-unsupported" Lossy "deploy": "a key that docker names as ignored" => "drops it";
    KeyDeprecated "key-deprecated" Lossy "deploy": "`container_name` and `expose`" => "drops it";
    RestartUsed "restart-used" Lossy "convert": "`restart`, which docker names as ignored" => "uses it where `deploy.restart_policy` is missing";
    LabelReserved "label-reserved" Lossy "convert": "a label that the stack sets itself" => "overwrites it";
    EnvironmentBare "environment-bare" Lossy "loader": "a variable without a value that nothing sets" => "sends the bare name, which removes the variable from the image's";
    EnvironmentEmptyRefilled "environment-empty-refilled" Lossy "loader": "an empty value whose name is a variable of the stack" => "puts that variable's value in its place";
    EnvironmentTwice "environment-twice" Lossy "loader": "a name twice in a list of `KEY=VALUE`" => "takes the last";
    EnvFileBare "env-file-bare" Lossy "env file": "a line without `=` in an env file" => "takes the variable of that name, or drops the line";
    ExtraHostsAddress "extra-hosts-address" Lossy "loader": "a host without an address" => "drops it";
    DnsAddress "dns-address" Lossy "loader": "a name server that is no address" => "drops it";
    ReferenceMode "reference-mode" Lossy "loader": "a `mode` that is no file mode, as from a decimal number" => "sends it";
    PortAddress "port-address" Lossy "loader": "an address before a short port" => "drops it with a warning and listens on every address";
    VolumeOneLetter "volume-one-letter" Lossy "loader": "a volume of one letter" => "reads a Windows drive and mounts an anonymous volume, or binds it";
    VolumeOption "volume-option" Lossy "loader": "an unknown option of a short volume, such as `z`" => "drops it";
    VolumeHome "volume-home" Lossy "loader": "a bind source that begins with `~`" => "puts the variable HOME in its place, where it is set";
    ExternalFields "external-fields" Lossy "convert": "fields beside `external: true`" => "drops them";
    ExternalMap "external-map" Lossy "loader": "`external: {name: X}`, the old spelling of `name`" => "takes the name, with a warning";
    DependsOnUnknown "depends-on-unknown" Lossy "convert": "`depends_on` of a service that does not exist" => "drops `depends_on`";
    DependsOnCircle "depends-on-circle" Lossy "convert": "services that wait for each other in a circle" => "drops `depends_on`";
    ServicesNone "services-none" Lossy "deploy": "a stack without services" => "creates its secrets and configs only";
    ClusterSpec "cluster-spec" Lossy "convert": "`x-cluster-spec` of a volume" => "drops it";
    MergeZero "merge-zero" Lossy "merge": "false, zero or empty in a later file" => "keeps the earlier file's value";
    MergeCollapse "merge-collapse" Lossy "merge": "two ports, mounts, secrets or configs with one key in a service of several files" => "keeps the last of them";
    MergePortLost "merge-port-lost" Lossy "merge": "a later port with the published number of an earlier one" => "drops the earlier one, whatever its protocol and target";
    MergeReplaced "merge-replaced" Lossy "merge": "a network, volume, secret or config in a later file that leaves out fields of the earlier one" => "replaces the whole entry";
    MergeLoggingOptions "merge-logging-options" Lossy "merge": "log options of a later file where the earlier one has a driver and no options" => "drops them";
    MergeAliases "merge-aliases" Lossy "merge": "a later network of a service without the aliases of the earlier one" => "erases the aliases";
    MergeDriverOpts "merge-driver-opts" Lossy "merge": "`driver_opts` of a network of a service in a later file" => "drops them";
    MergeHealthcheckTest "merge-healthcheck-test" Lossy "merge": "`healthcheck.test` in two files" => "appends one to the other";

    WordUnknown "word-unknown" Engine "engine": "a word that the engine does not know, such as a restart condition" => "sends it";
    UlimitName "ulimit-name" Engine "schema": "a name of a limit with other characters than small letters" => "does not check the limit, and sends it";
    JobUpdate "job-update" Engine "engine": "`update_config` of a job" => "sends it";
    DurationNegative "duration-negative" Engine "engine": "a negative length of time" => "sends it";
    RatioRange "ratio-range" Engine "engine": "a `max_failure_ratio` outside of 0 to 1" => "sends it";
    SubnetInvalid "subnet-invalid" Engine "engine": "a subnet that is none" => "sends it";
    PortNumber "port-number" Engine "node": "a port above 65535, or a long port without target" => "sends it";
    PortClash "port-clash" Engine "engine": "a port twice in one service, or in two of which one opens it on every node" => "sends both";
    MountKind "mount-kind" Engine "engine": "a mount of type npipe, cluster or image" => "sends it";
    MountTarget "mount-target" Engine "engine": "a mount without target, or two with one" => "sends it";
    ObjectSize "object-size" Engine "engine": "a config, or a secret of docker's own, that is empty or larger than the engine takes" => "sends it";
    NameLength "name-length" Engine "engine": "a name of a service or network above 63 characters, of a config above 64" => "sends it";
    EngineName "engine-name" Engine "engine": "a name that ends or begins with another character than a letter or digit, or holds a dot where none may be" => "sends it";
    TextNul "text-nul" Engine "node": "a text with a NUL character" => "sends it";
    CpusSmall "cpus-small" Engine "engine": "less than a thousandth of a processor" => "sends it";
    MemorySmall "memory-small" Engine "engine": "less memory than a service (4 MiB) or a container (6 MiB) can have" => "sends it";
    MemoryReserved "memory-reserved" Engine "node": "more memory reserved than the limit allows" => "sends it";
    ConstraintInvalid "constraint-invalid" Engine "engine": "a placement constraint without `==` and `!=`, or with characters that the engine does not take" => "sends it";
    NumberLarge "number-large" Engine "engine": "replicas or retries that are negative to the engine" => "sends it";
    DurationShort "duration-short" Engine "engine": "a time of a health check between nothing and a millisecond" => "sends it";
    HealthcheckTest "healthcheck-test" Engine "node": "a health check whose list does not begin with `CMD`, `CMD-SHELL` or `NONE`, so that it never runs" => "sends it";
    IngressDnsrr "ingress-dnsrr" Engine "engine": "an ingress port of a service with `endpoint_mode: dnsrr`" => "sends it";
    NetworkIngress "network-ingress" Engine "engine": "an external network `ingress`, `none`, `default` or `container:NAME`, which no service can join" => "sends it";
    LabelPredefined "label-predefined" Engine "engine": "the label of networks that the engine keeps for its own" => "sends it";
    TemplateInvalid "template-invalid" Engine "engine": "a template that does not end, or with a field or function that the engine does not have" => "sends it";
    CapabilityUnknown "capability-unknown" Engine "node": "a capability that Linux does not have" => "sends it";
    SignalUnknown "signal-unknown" Engine "node": "a `stop_signal` that is none" => "sends it";
    WorkingDirRelative "working-dir-relative" Engine "node": "a working directory that is not absolute" => "sends it";
    ExtraHostsInvalid "extra-hosts-invalid" Engine "node": "a host whose address is none, or without a name" => "sends it";
    EnvironmentName "environment-name" Engine "node": "a variable without a name" => "sends it";
    UlimitUnknown "ulimit-unknown" Engine "node": "a limit that the engine does not know" => "sends it";
    UlimitOrder "ulimit-order" Engine "node": "a limit whose `soft` is above its `hard`" => "sends it";
    MountPath "mount-path" Engine "node": "a mount whose target is not absolute, or is the root" => "sends it";
    KeyControl "key-control" Engine "holdfast": "a key with a control character, which would end a line where it is written out" => "sends it";

    FileNone "file-none" House "manifest": "a stack that names no compose file" => "asks for one";
    StackNameEmpty "stack-name-empty" House "manifest": "a stack whose name is empty" => "stops as well";
    ImageNotPinned "image-not-pinned" House "holdfast": "an image without a digest" => "asks the registry at every deploy";
    ImagePolicy "image-policy" House "manifest": "an image that the policy of the manifest does not allow" => "knows no policy";
    ImageUnknown "image-unknown" House "manifest": "a service or image of the stack's `images` that does not exist" => "knows no such table";
    PortsMany "ports-many" House "holdfast": "more than 65535 ports of one stack" => "sends them";
    SecretPlain "secret-plain" House "holdfast": "a secret from a plaintext file" => "sends the file";
    SecretDriver "secret-driver" House "holdfast": "a secret with a driver or a template driver" => "sends it";
    SecretUnknown "secret-unknown" House "manifest": "an external secret that the manifest does not declare" => "takes any secret of that name";
    TrustUnknown "trust-unknown" House "manifest": "a secret of `trust_secrets` that no file has" => "knows no such list";
    CredentialSpecConfig "credential-spec-config" House "holdfast": "`credential_spec.config`" => "refers to the config";

    DependsOnCondition "depends-on-condition" House "holdfast": "a condition of `depends_on` that is unknown or can never come true" => "knows no conditions";

    NewerSpelling "newer-spelling" House "holdfast": "a newer spelling that a swarm cannot follow" => "refuses or drops it";

    DependsOnLong "depends-on-long" Modern "schema": "the long form of `depends_on`" => "stops";

    EnvFileLong "env-file-long" Modern "schema": "the long form of `env_file`" => "stops";
    VariablePlus "variable-plus" Modern "template": "the operator `+`" => "stops";
    VariableNested "variable-nested" Modern "template": "a variable inside a default" => "ends the default at the first `}` and leaves the inner variable as text";

    KeyNoEffect "key-no-effect" Said "schema": "a newer key that nothing in a swarm looks at, such as `app_protocol`" => "refuses it";
    EnvFileOptional "env-file-optional" Said "schema": "an env file that is missing and not required" => "does not know optional files";
    NumberRewritten "number-rewritten" Said "yaml": "a number or date whose text changes, such as 0440 as 288" => "sends the changed text";
    EnvFileQuotes "env-file-quotes" Said "env file": "quotes round a value of an env file" => "keeps them as part of the value";
    Unused "unused" Said "deploy": "a network, volume or secret that no service uses" => "does not create networks and volumes, and does create secrets and configs";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_short_unique_and_kebab() {
        let ids: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(ids.len(), Rule::ALL.len());
        for id in ids {
            let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(id.chars().all(fine) && id.len() <= 32, "{id}");
        }
    }
}
