//! Comments: some are encrypted, and some say what is. None is in the MAC.

use sha2::Digest;

use super::super::error::SecretError;
use super::super::scalar::Leaf;
use super::super::token::{PREFIX, Token, Type};
use super::super::tree::{Comment, Node};
use super::super::value::SecretBytes;
use super::walk::{Direction, Walk};

impl Walk<'_> {
    pub(super) fn comment(&mut self, comment: &mut Comment) -> Result<(), SecretError> {
        if self.metadata.rules.reads_comments()
            && let Some(level) = self.active.last_mut()
        {
            level.push(Comment { text: comment.text.clone(), inline: comment.inline });
        }
        if !self.encrypts(true) || comment.text.expose().is_empty() {
            return Ok(());
        }
        if self.direction == Direction::Open {
            self.open_comment(comment);
            return Ok(());
        }
        let token = self.sealed(comment.text.expose(), Type::Comment)?;
        if self.metadata.rules.clears_token(token.as_bytes()) {
            let why = "`unencrypted_comment_regex` also finds encrypted comments, so that the file could not be read";
            return Err(SecretError::Metadata(why.to_owned()));
        }
        comment.text = SecretBytes::new(token.into_bytes());
        Ok(())
    }

    /// A comment that does not decrypt stays as it is, as in sops: no comment is in the MAC.
    fn open_comment(&mut self, comment: &mut Comment) {
        if !comment.text.expose().starts_with(PREFIX.as_bytes()) {
            return;
        }
        let text = std::str::from_utf8(comment.text.expose()).unwrap_or_default();
        let aad = self.aad();
        match Token::parse(text).and_then(|token| self.opened(token, &aad)) {
            // sops forgets here where it stood, and writes it above its value.
            Ok(plain) => *comment = Comment { text: plain.into(), inline: false },
            Err(_) => self.warnings.push(format!("a comment in `{}` does not decrypt", self.place())),
        }
    }

    /// The comment that an item of a list is: sops writes an encrypted one as if it were a value.
    pub(super) fn item_comment(&mut self, node: &Node) -> Option<Comment> {
        let Node::Leaf(Leaf::Text(text)) = node else { return None };
        if self.direction == Direction::Seal || !self.encrypts(false) {
            return None;
        }
        let token = Token::parse(std::str::from_utf8(text.expose()).ok()?).ok()?;
        if token.kind != Type::Comment {
            return None;
        }
        let aad = self.aad();
        let text: SecretBytes = self.opened(token, &aad).ok()?.into();
        self.other().update(text.expose());
        Some(Comment { text, inline: false })
    }

    pub(super) fn forget_comments(&mut self) {
        if let Some(level) = self.active.last_mut() {
            level.clear();
        }
    }
}
