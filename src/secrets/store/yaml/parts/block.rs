//! Lists and maps in blocks.

use super::{Found, Id, Parts};
use crate::secrets::store::yaml::tokens::{Kind, Words};

impl Parts<'_> {
    pub(super) fn block_list(&mut self, id: Id) -> Found<()> {
        self.at += 1;
        loop {
            match self.look() {
                Kind::Dash => {
                    let item = self.item(&[Kind::Dash, Kind::BlockEnd])?;
                    self.push(id, item);
                }
                Kind::BlockEnd => {
                    self.at += 1;
                    return Ok(());
                }
                _ => return Err(self.lost()),
            }
        }
    }

    /// A list in the column of the key that it belongs to.
    pub(super) fn dashes(&mut self, id: Id) -> Found<()> {
        while *self.look() == Kind::Dash {
            let item = self.item(&[Kind::Dash, Kind::Key, Kind::Colon, Kind::BlockEnd])?;
            self.push(id, item);
        }
        Ok(())
    }

    /// The item behind a dash; nothing where one of `empty` follows.
    fn item(&mut self, empty: &[Kind]) -> Found<Id> {
        let above = self.head.len();
        self.at += 1;
        let kind = self.look();
        if above > 0 && matches!(kind, Kind::BlockList | Kind::BlockMap) {
            self.split_stem(above);
        }
        if empty.contains(self.look()) { Ok(self.empty()) } else { self.value(true, false) }
    }

    /// What stands above the dash belongs to the list or map behind it, not to its first item.
    fn split_stem(&mut self, above: usize) {
        let rest = self.head.get(above + 1..).unwrap_or_default().to_owned();
        let stem = self.head.get(..above).unwrap_or_default().to_owned();
        self.stem = Some(Words::new(stem));
        self.head = Words::new(rest);
    }

    pub(super) fn block_map(&mut self, id: Id) -> Found<()> {
        const EMPTY: [Kind; 3] = [Kind::Key, Kind::Colon, Kind::BlockEnd];
        self.at += 1;
        let mut last = None;
        loop {
            let key = match self.look() {
                Kind::Key => {
                    self.at += 1;
                    if EMPTY.contains(self.look()) { self.empty() } else { self.value(true, true)? }
                }
                Kind::BlockEnd => {
                    let [_, line, foot] = self.take();
                    self.at += 1;
                    self.end(id, line, Words::default());
                    match (last, foot.is_empty()) {
                        (Some(key), false) => self.set_foot(key, foot),
                        _ => self.set_foot(id, foot),
                    }
                    return Ok(());
                }
                _ => return Err(self.lost()),
            };
            // A comment further to the left than this key is below the one before.
            if let Some(before) = last {
                let foot = self.all.get_mut(key).map(|key| std::mem::take(&mut key.foot)).unwrap_or_default();
                if !foot.is_empty() {
                    self.set_foot(before, foot);
                }
            }
            let value = if *self.look() == Kind::Colon {
                self.at += 1;
                if EMPTY.contains(self.look()) { self.empty() } else { self.value(true, true)? }
            } else {
                self.empty()
            };
            self.pair(id, key, value);
            last = Some(key);
        }
    }
}
