//! What a file is encrypted with again: a value that did not change keeps its token, so that a diff shows what did.

use std::collections::HashMap;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::token::{DataKey, Type};

/// The IVs of the tokens of a file, each under a digest of all that went into its token: data key, type, place and
/// plaintext. Whatever differs in one of them finds nothing, because an IV that encrypts two different texts under one
/// key gives both away. No plaintext is kept. It is handed to one encryption, and gone after it.
#[derive(Default)]
pub(super) struct Ivs(HashMap<[u8; 32], [u8; 32]>);

impl Ivs {
    /// Keeps the IV of a token that was opened.
    pub(super) fn keep(&mut self, key: &DataKey, (kind, aad): (Type, &str), plain: &[u8], iv: [u8; 32]) {
        if let Some(digest) = digest(key, kind, aad, plain) {
            self.0.insert(digest, iv);
        }
    }

    /// The IV of a token with just this in it.
    pub(super) fn of(&self, key: &DataKey, kind: Type, aad: &str, plain: &[u8]) -> Option<[u8; 32]> {
        if self.0.is_empty() { None } else { self.0.get(&digest(key, kind, aad, plain)?).copied() }
    }
}

fn digest(key: &DataKey, kind: Type, aad: &str, plain: &[u8]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
    mac.update(b"holdfast iv 1");
    for field in [kind.name().as_bytes(), aad.as_bytes(), plain] {
        mac.update(&(field.len() as u64).to_be_bytes());
        mac.update(field);
    }
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::crypt::{Opened, open_to_change as open, seal, seal_again};
    use super::super::metadata::Metadata;
    use super::super::rules::Rules;
    use super::super::scalar::Leaf;
    use super::super::token::Token;
    use super::super::tree::{Entry, Node};
    use super::*;
    use crate::manifest::SecretFormat;

    fn metadata() -> Metadata {
        Metadata {
            groups: Vec::new(),
            threshold: 0,
            mac: String::new(),
            lastmodified: "2030-01-02T03:04:05Z".to_owned(),
            mac_only_encrypted: false,
            rules: Rules::All,
        }
    }

    /// A document with one key for each text, all of them in lists with a second, fixed item.
    fn document(texts: &[String]) -> Vec<Entry> {
        let list = |text: &String| {
            let items =
                [text.as_bytes(), b"fixed"].map(|text| super::super::tree::Item::Node(Node::text(text)));
            Node::List(items.into())
        };
        texts.iter().enumerate().map(|(at, text)| Entry::Pair(format!("k{at}"), list(text))).collect()
    }

    /// Every token in its order.
    fn tokens(document: &[Entry]) -> Vec<String> {
        let lists = document.iter().filter_map(Entry::pair).flat_map(|(_, node)| node.items());
        lists.filter_map(Node::word).map(std::borrow::Cow::into_owned).collect()
    }

    fn sealed(texts: &[String], key: &DataKey, ivs: Ivs) -> Vec<String> {
        let mut documents = [document(texts)];
        seal_again(&mut documents, &metadata(), key, SecretFormat::Yaml, ivs).expect("sealed");
        tokens(&documents[0])
    }

    fn opened(texts: &[String], key: &DataKey) -> (Vec<String>, Opened) {
        let mut documents = [document(texts)];
        seal(&mut documents, &metadata(), key, SecretFormat::Yaml).expect("sealed");
        let tokens = tokens(&documents[0]);
        let opened = open(&mut documents, &metadata(), key, SecretFormat::Yaml).expect("opened");
        (tokens, opened)
    }

    fn parsed(token: &str) -> Token {
        Token::parse(token).expect("a token")
    }

    /// What whoever has both tokens learns without the key where they share an IV: one text XOR the other.
    fn leaks(old: &str, new: &str, texts: (&str, &str)) -> bool {
        let xor = |left: &[u8], right: &[u8]| {
            left.iter().zip(right).map(|(left, right)| left ^ right).collect::<Vec<u8>>()
        };
        let (old, new) = (parsed(old), parsed(new));
        xor(old.data(), new.data()) == xor(texts.0.as_bytes(), texts.1.as_bytes())
    }

    proptest! {
        #[test]
        fn a_remembered_iv_is_used_for_the_same_text_in_the_same_place_and_for_nothing_else(
            pairs in prop::collection::vec(("[a-c]{1,2}", "[a-c]{1,2}"), 1..8),
        ) {
            let key = DataKey::generate().expect("random bytes");
            let (before, after): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            let (old, opened) = opened(&before, &key);
            let new = sealed(&after, &key, opened.ivs);
            for (at, (old, new)) in old.iter().zip(&new).enumerate() {
                let is_same = at % 2 == 1 || before[at / 2] == after[at / 2];
                prop_assert_eq!(old == new, is_same, "{} of {:?} and {:?}", at, before, after);
                prop_assert_eq!(parsed(old).iv() == parsed(new).iv(), is_same);
            }
        }
    }

    #[test]
    fn two_texts_under_one_iv_would_give_each_other_away() {
        let key = DataKey::generate().expect("random bytes");
        let (before, after) = ("correct horse", "battery stapl");
        let (old, opened) = opened(&[before.to_owned()], &key);
        let new = sealed(&[after.to_owned()], &key, opened.ivs);
        assert!(!leaks(&old[0], &new[0], (before, after)));
        // A twin that remembers the IV by the place alone.
        let iv = parsed(&old[0]).iv();
        let twin = Token::seal_with(iv, after.as_bytes(), Type::Str, &key, "k0:").expect("sealed");
        assert!(leaks(&old[0], &twin, (before, after)));
    }

    #[test]
    fn a_new_data_key_and_another_type_find_nothing() {
        let (key, other) = (DataKey::generate().expect("bytes"), DataKey::generate().expect("bytes"));
        let mut ivs = Ivs::default();
        ivs.keep(&key, (Type::Str, "a:"), b"12", [7; 32]);
        assert_eq!(ivs.of(&key, Type::Str, "a:", b"12"), Some([7; 32]));
        assert_eq!(ivs.of(&other, Type::Str, "a:", b"12"), None);
        assert_eq!(ivs.of(&key, Type::Int, "a:", b"12"), None);
        assert_eq!(ivs.of(&key, Type::Str, "b:", b"12"), None);
        assert_eq!(Leaf::Int(12).kind(), Some(Type::Int));
    }
}
